//! What of a text may reach a terminal, a log or a page. File names, network names, vendors and answers of servers come from
//! strangers: a character that moves the cursor, turns the reading direction round or takes no room would make a line say
//! what it does not. Such a character is shown as `\u{202e}`: its number, in hexadecimal.
//!
//! JSON does not pass through here: it carries the text as it is.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// Characters without a look of their own: category Cf of Unicode 16 (formats: reading direction, zero width, soft hyphen,
/// tags), Zl and Zp (line and paragraph separators), and the rest of the blocks that Unicode sets aside for them. Control
/// characters (Cc) are told apart by [`char::is_control`].
const FORMATS: [(char, char); 19] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character is shown by its number.
fn is_escaped(character: char) -> bool {
    // Most are neither: the table is for the few that might be.
    character.is_control()
        || character >= '\u{ad}' && FORMATS.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// `text` with its control and format characters shown by their numbers: one line, whatever it was.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_escaped)
}

/// As [`printable`], but line ends stay: for texts of ours that have several lines.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character != '\n' && is_escaped(character))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_escaped(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Passes on what is written to it as [`printable`] has it.
pub struct Printable<W>(pub W);

impl<W: Write> Write for Printable<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&printable(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_moves_hides_or_turns_text_is_shown_by_its_number() {
        for (text, shown) in [
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("pic\u{202e}gpj.exe", "pic\\u{202e}gpj.exe"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("two\nlines\u{2028}three", "two\\u{a}lines\\u{2028}three"),
            ("\u{9b}31m soft\u{ad}hyphen", "\\u{9b}31m soft\\u{ad}hyphen"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("Café 東京 \u{1f600}", "Café 東京 \u{1f600}"),
        ] {
            assert_eq!(printable(text), shown);
            let mut written = Printable(String::new());
            assert!(written.write_str(text).is_ok());
            assert_eq!(written.0, shown);
        }
        assert_eq!(printable_lines("a\nb\r\u{2029}"), "a\nb\\u{d}\\u{2029}");
    }

    proptest! {
        #[test]
        fn nothing_of_these_categories_gets_through(text in "([\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]|\\PC){0,20}") {
            let shown = printable(&text);
            prop_assert!(!shown.chars().any(is_escaped));
            prop_assert_eq!(&printable(&shown), &shown);
            prop_assert_eq!(printable_lines(&text).replace('\n', "\\u{a}"), shown);
        }

        #[test]
        fn every_one_of_them_is_escaped(character in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]") {
            let number = character.chars().next().map_or(0, u32::from);
            prop_assert_eq!(printable(&character), format!("\\u{{{number:x}}}"));
        }

        #[test]
        fn letters_marks_digits_signs_and_blanks_stay(text in "[\\p{L}\\p{N}\\p{P}\\p{S}\\p{Zs}\\p{Mc}\\p{Me}]{0,20}") {
            prop_assert_eq!(printable(&text), &*text);
        }
    }
}
