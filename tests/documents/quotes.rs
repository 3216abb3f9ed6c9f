//! Checks that what the simulation quotes from PROTOCOL.md stands there: its model is written from that document, and not
//! from the code.

use std::fs;

use crate::support::schema::PROTOCOL;
use crate::{files, root};

#[test]
fn every_sentence_that_the_simulation_quotes_is_in_the_protocol() {
    /// Fewer words are a name or a word that is spoken of.
    const WORDS_MIN: usize = 3;
    let protocol = normalized(PROTOCOL.text);
    let mut count = 0;
    for file in files(&root().join("tests/simulation"), "rs") {
        let text = fs::read_to_string(&file).unwrap();
        for comment in comments(&text) {
            let quotes = comment.split('"').skip(1).step_by(2);
            for quote in quotes.filter(|quote| quote.split(' ').count() >= WORDS_MIN) {
                count += 1;
                let quoted = normalized(quote);
                assert!(protocol.contains(&quoted), "{}: no document says {quote:?}", file.display());
            }
        }
    }
    assert!(count > 20, "only {count} quotes were found");
}

/// Lines of comment that follow each other, as one text each.
fn comments(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let comment = line.trim_start().strip_prefix("//")?;
        Some(comment.trim_start_matches(['/', '!']).trim())
    });
    let lines: Vec<_> = lines.collect();
    lines
        .split(Option::is_none)
        .map(|lines| lines.iter().flatten().copied().collect::<Vec<_>>().join(" "))
        .collect()
}

/// Returns the words alone: without marks, line breaks, and the stop at the end of a quote.
fn normalized(text: &str) -> String {
    let words = text.replace(['`', '*'], "");
    words.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(['.', ',']).to_owned()
}
