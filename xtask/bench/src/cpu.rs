//! Processor time of another process, from Linux's `/proc`.

use anyhow::{Context, Result};

/// Ticks in a second, as `/proc` counts them: 100 on every architecture that Linux still has.
const TICKS: f64 = 100.0;

/// Whether this system tells.
pub(crate) const KNOWN: bool = cfg!(target_os = "linux");

/// Seconds of processor time, user and system, that the process `id` has used.
pub(crate) fn seconds(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let ticks = ticks(&text).with_context(|| format!("{path}: {text}"))?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of ticks is far below 2^52"
    )]
    Ok(ticks as f64 / TICKS)
}

/// Fields 14 and 15. The second is the program's name in brackets, which may itself have blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_confuse() {
        let fields = "S 1 2 3 0 -1 4194304 100 0 0 0 250 17 9 8 20 0 4 0 12345 1000 200";
        for name in ["(llm-proxy)", "(a b)", "(x) R 1 1)", "()"] {
            assert_eq!(ticks(&format!("42 {name} {fields}")), Some(267), "{name}");
        }
    }

    #[test]
    fn what_is_no_stat_is_nothing() {
        for text in [
            "",
            "42",
            "42 (a) S 1 2",
            "42 (a) S 1 2 3 0 -1 4 1 0 0 0 x 1 0",
        ] {
            assert_eq!(ticks(text), None, "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_a_time() {
        assert!(seconds(std::process::id()).unwrap() >= 0.0);
    }
}
