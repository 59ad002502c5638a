// SPDX-License-Identifier: GPL-2.0

//! What the kernel writes as text: the files of debugfs, which the device opens.

use crate::{
    context::Context,
    error::{Error, Kind, Result},
    output::color::{Painted, QUIET},
};
use mmlens_device::Text;
use std::io::{self, BufRead, BufReader, Read, Write};

/// What went wrong with a file, which is of a process, or of none.
fn explain(pid: i32) -> impl Fn(io::Error) -> Error {
    move |error| match pid {
        0 => Error::of_ioctl(error),
        pid => Error::of_process(error, pid),
    }
}

/// Prints a file as it is, line by line: it may be long.
pub fn print(context: &mut Context, what: Text, pid: i32) -> Result<()> {
    let file = context.device()?.text(what, pid).map_err(explain(pid))?;
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).map_err(explain(pid))? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        match text.starts_with('#') {
            true => context.out.line(Painted(QUIET, text))?,
            false => context.out.line(text)?,
        }
        line.clear();
    }
    Ok(())
}

/// The whole text of a file.
pub fn read(context: &Context, what: Text, pid: i32) -> Result<String> {
    let explain = explain(pid);
    let mut file = context.device()?.text(what, pid).map_err(&explain)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(explain)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The answer to a question (Documentation/questions.rst).
pub fn ask(context: &Context, pid: i32, question: &str) -> Result<String> {
    let explain = explain(pid);
    let mut file = context.device()?.text(Text::Query, pid).map_err(&explain)?;
    file.write_all(question.as_bytes()).map_err(&explain)?;
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
