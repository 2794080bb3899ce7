//! What a model is told that has to say something once more.

use super::said::{CallSaid, Said};

/// Asks for a document that was cut.
pub(super) fn document(said: &Said) -> String {
    format!(
        "Your answer was cut off while it was being sent. Give all of it once more. It must begin with exactly this \
         text, character by character, and then go on:\n\n{}",
        said.text
    )
}

/// Asks for the call `open` that was cut, after those that were `made`.
pub(super) fn call(said: &Said, open: &CallSaid, made: &[CallSaid]) -> String {
    let mut ask = String::from("Your answer was cut off while it was being sent. ");
    if !said.text.is_empty() {
        ask.push_str(&format!("It said:\n\n{}\n\n", said.text));
    }
    for call in made {
        let line = format!(
            "It called `{}` with {}; do not repeat that call.\n",
            call.name, call.arguments
        );
        ask.push_str(&line);
    }
    ask.push_str(&format!(
        "Now make its last call, of `{}`, once more and completely.",
        open.name
    ));
    if !open.arguments.is_empty() {
        let begin = " Its arguments must begin with exactly this text, character by character, and then go on:\n\n";
        ask.push_str(begin);
        ask.push_str(&open.arguments);
    }
    ask
}
