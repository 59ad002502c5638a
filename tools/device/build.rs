// SPDX-License-Identifier: GPL-2.0

//! Makes Rust of the header that the module itself is built with.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const HEADER: &str = "../../rust/uapi/mmlens.h";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={HEADER}");
    println!("cargo:rerun-if-env-changed=BINDGEN");
    println!("cargo:rerun-if-changed=build.rs");
    let header = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(HEADER);
    let out = PathBuf::from(env::var("OUT_DIR")?);

    // The numbers of the ioctls are macros with a sizeof in them, which bindgen passes over: it takes
    // constants instead.
    let text = fs::read_to_string(&header)?;
    let mut wrapper = format!("#include \"{}\"\n", header.display());
    for line in text.lines() {
        let Some(name) = line.strip_prefix("#define MMLENS_IOC_") else {
            continue;
        };
        if let Some((name, _)) = name
            .split_once(['\t', ' '])
            .filter(|(_, v)| v.contains("_IO"))
        {
            wrapper += &format!("static const unsigned int IOC_{name} = MMLENS_IOC_{name};\n");
        }
    }
    let wrapped = out.join("mmlens.h");
    fs::write(&wrapped, wrapper)?;

    let bindgen = env::var("BINDGEN").unwrap_or_else(|_| "bindgen".into());
    let status = Command::new(&bindgen)
        .arg(&wrapped)
        .args(["--allowlist-item", "(MMLENS|mmlens|IOC)_.*"])
        .args([
            "--with-derive-default",
            "--no-doc-comments",
            "--no-prepend-enum-name",
        ])
        .args([
            "--default-enum-style",
            "consts",
            "--use-core",
            "--formatter",
            "prettyplease",
        ])
        .arg("--output")
        .arg(out.join("sys.rs"))
        .status()
        .map_err(|error| {
            format!("cannot run {bindgen}: {error}; try: install bindgen, or BINDGEN=<path>")
        })?;
    if !status.success() {
        return Err(format!("{bindgen} fails").into());
    }
    Ok(())
}
