// SPDX-License-Identifier: GPL-2.0

//! What the kernel writes as text: the files of debugfs, which the device opens.

use crate::{
    context::Context,
    error::{Error, Kind, Result},
};
use mmlens_device::Text;
use std::io::{Read, Write};

/// The whole text of a file.
pub fn read(context: &Context, what: Text, pid: i32) -> Result<String> {
    let explain = |error| match pid {
        0 => Error::of_ioctl(error),
        pid => Error::of_process(error, pid),
    };
    let mut file = context.device()?.text(what, pid).map_err(explain)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(explain)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The answer to a question (Documentation/questions.rst).
pub fn ask(context: &Context, pid: i32, question: &str) -> Result<String> {
    let explain = |error| Error::of_process(error, pid);
    let mut file = context.device()?.text(Text::Query, pid).map_err(explain)?;
    file.write_all(question.as_bytes()).map_err(explain)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(explain)?;
    let answer = String::from_utf8_lossy(&bytes).into_owned();
    // `none:` is also what there is to say of an address in no VMA.
    let is_about_process =
        answer.starts_with("gone: ") || answer.starts_with("none: a kernel thread");
    if is_about_process {
        let text = answer.trim_end();
        let (_, why) = text.split_once(": ").unwrap_or(("", text));
        return Err(Error::new(Kind::Process, format_args!("{pid}: {why}")));
    }
    Ok(answer)
}

/// The lines `name: value` of a text, in their order. Lines without a name, and headings, are left out.
pub fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with(['#', ' ']));
    lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
        let is_value = value.is_empty() || value.starts_with(' ');
        (is_value && name.chars().all(is_name)).then_some((name, value.trim()))
    })
}

/// The value of a field.
pub fn field<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    fields(text).find_map(|(name, value)| (name == wanted).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lines_with_a_name() {
        let text = "# heading: no\npid:      142\nexe: /bin/a: b\n0000-1000 x:y\nempty:\n  address <- x: 1\n";
        let found: Vec<_> = fields(text).collect();
        assert_eq!(found, [("pid", "142"), ("exe", "/bin/a: b"), ("empty", "")]);
        assert_eq!(field(text, "exe"), Some("/bin/a: b"));
        assert_eq!(field(text, "none"), None);
    }
}
