//! What was left out or changed, short enough for a header.

/// How many warnings a request gets.
const MOST: usize = 20;
/// How many bytes they have together.
const MOST_BYTES: usize = 1024;

/// Leaves out what is said twice, and what does not fit.
///
/// Warnings are texts of ours: nothing of what the client sent may be in them, since they are logged and travel in a
/// header.
pub(crate) fn fit(warnings: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut room = MOST_BYTES;
    for warning in warnings {
        if out.len() == MOST {
            break;
        }
        if warning.len() > room || out.contains(&warning) {
            continue;
        }
        room -= warning.len();
        out.push(warning);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_few_short_and_said_once() {
        let text = |text: &str| text.to_owned();
        assert_eq!(fit(vec![text("a"), text("b"), text("a")]), ["a", "b"]);
        let many = (0..10_000).map(|index| index.to_string()).collect();
        assert_eq!(fit(many).len(), MOST);
        let long = vec!["x".repeat(600), "y".repeat(600), text("z")];
        assert_eq!(fit(long), ["x".repeat(600), text("z")]);
    }
}
