// SPDX-License-Identifier: GPL-2.0

//! Makes a PNG of an SVG, with the fonts of the system.

use crate::error::{Error, Result};
use resvg::{tiny_skia, usvg};

/// The most pixels in each direction.
const MOST: u32 = 32_767;

/// The bytes of the file.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    if options.fontdb.is_empty() {
        return Err(Error::other("there is no font to write PNG with")
            .hint("a name that ends in .svg, or install a font such as fonts-dejavu-core"));
    }
    let tree = usvg::Tree::from_str(svg, &options).map_err(Error::other)?;
    let size = tree.size().to_int_size();
    let too_large = || {
        let (width, height) = (size.width(), size.height());
        Error::other(format_args!(
            "{width} times {height} pixels are too many for PNG"
        ))
        .hint("a name that ends in .svg")
    };
    if size.width() > MOST || size.height() > MOST {
        return Err(too_large());
    }
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(too_large)?;
    resvg::render(&tree, tiny_skia::Transform::default(), &mut pixels.as_mut());
    pixels.encode_png().map_err(Error::other)
}
