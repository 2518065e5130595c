//! Why a command ends early, and with which exit status.

use arrowredis::{Error, ErrorKind};

/// `verify` found a difference.
pub const DIFFERENCE: u8 = 1;
/// The command line asks for something that cannot be.
pub const USAGE: u8 = 2;
/// Anything else that went wrong.
pub const FAILED: u8 = 3;
/// Ctrl-C or SIGTERM, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// The command line is at fault.
    Usage(String),
    /// The library, a server or the input is.
    Failed(Error),
    /// Whoever read our standard output has gone: nobody is left to tell.
    BrokenPipe,
}

impl Failure {
    /// An error of a verb whose flags have been checked: what it refuses now is the input, not the command line.
    pub fn of_input(error: Error) -> Failure {
        Failure::Failed(error)
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }

    pub fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Failed(_) | Failure::BrokenPipe => FAILED,
        }
    }

    /// One line for a person.
    pub fn message(&self) -> String {
        let text = match self {
            Failure::Usage(message) => with_flags(message),
            Failure::Failed(error) => with_flags(error.message()),
            Failure::BrokenPipe => "the reader of the output has gone".to_string(),
        };
        // Names of files and keys may hold anything.
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// What the library does not accept, it was told by a flag.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidArgument => Failure::Usage(error.message().to_string()),
            _ => Failure::Failed(error),
        }
    }
}

/// Writes options the way they are typed: `option 'max_inflight'` becomes `--max-inflight`.
fn with_flags(message: &str) -> String {
    let mut parts = message.split("option '");
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part.split_once('\'') {
            Some((key, rest)) if key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
                text.push_str(&format!("--{}{rest}", key.replace('_', "-")));
            }
            _ => text.push_str(&format!("option '{part}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_named_as_they_are_typed() {
        for (message, expected) in [
            ("option 'max_inflight' cannot be 'x'", "--max-inflight cannot be 'x'"),
            ("the option 'A' and option 'b'", "the option 'A' and --b"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(with_flags(message), expected);
        }
    }
}
