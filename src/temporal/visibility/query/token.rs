//! From the text of a query to its tokens, and the position that Temporal's messages name.

use super::words::is_keyword;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The end of the query.
    End,
    /// Something that is no token: a letter that doesn't belong, a string without an end.
    Bad,
    /// A name, in backticks or not.
    Name,
    /// A word of the language, in lower case.
    Word,
    Text,
    Integer,
    Float,
    /// `0x1F`
    HexNumber,
    /// `X'1F'`
    HexText,
    /// `B'01'`
    Bits,
    /// `:name` or `?`
    Argument,
    /// `::name`
    Arguments,
    /// One character, or an operator of several: `<=`.
    Sign(&'static str),
}

/// A token, with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// A name's letters, a string's contents, a number's digits; empty for signs and for the end.
    pub(super) text: String,
}

impl Token {
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind, Kind::Sign(it) if it == sign)
    }
}

/// Reads a query from left to right.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    /// The next byte to look at.
    at: usize,
}

/// Signs of more than one character, longest first.
const LONG_SIGNS: &[&str] = &["<=>", "->>", "->", "<>", "<<", "<=", ">=", ">>", "!=", "&&", "||"];
const SHORT_SIGNS: &[&str] = &[
    "=", ",", ";", "(", ")", "+", "*", "%", "^", "~", "&", "|", ".", "/", "-", "<", ">", "!",
];

impl<'a> Tokens<'a> {
    /// Begins at byte `at` of a statement.
    pub(super) fn new(statement: &'a str, at: usize) -> Self {
        Self {
            bytes: statement.as_bytes(),
            at,
        }
    }

    /// Where the reader is, counted as Temporal's messages count: one past the last token, beginning with 1.
    pub(super) fn position(&self) -> usize {
        self.at + 1
    }

    /// The next token that is no comment.
    pub(super) fn next(&mut self) -> Token {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t' | 0)) {
                self.at += 1;
            }
            if !self.skip_comment() {
                return self.token();
            }
        }
    }

    fn token(&mut self) -> Token {
        let Some(first) = self.peek() else {
            return sign(Kind::End);
        };
        match first {
            b'x' | b'X' if self.peek_at(1) == Some(b'\'') => self.quoted_digits(Kind::HexText, u8::is_ascii_hexdigit),
            b'b' | b'B' if self.peek_at(1) == Some(b'\'') => {
                self.quoted_digits(Kind::Bits, |byte| matches!(byte, b'0' | b'1'))
            }
            first if is_letter(first) => self.name(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            b'\'' | b'"' => self.string(first),
            b'`' => self.quoted_name(),
            b':' => self.argument(),
            b'?' => {
                self.at += 1;
                token(Kind::Argument, b":v1")
            }
            other => self.sign(other),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Skips a comment, if one begins here. One without an end is left, and is no token.
    fn skip_comment(&mut self) -> bool {
        let rest = self.rest();
        if [&b"--"[..], b"//", b"#"].iter().any(|start| rest.starts_with(start)) {
            let length = rest.iter().position(|byte| *byte == b'\n');
            self.at += length.map_or(rest.len(), |length| length + 1);
            return true;
        }
        let Some(comment) = rest.strip_prefix(b"/*") else {
            return false;
        };
        match comment.windows(2).position(|pair| pair == b"*/") {
            Some(length) => {
                self.at += length + 4;
                true
            }
            None => false,
        }
    }

    fn take_while(&mut self, wanted: impl Fn(&u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !wanted(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn name(&mut self) -> Token {
        let letters = self.take_while(|byte| is_letter(*byte) || byte.is_ascii_digit());
        let lowered = String::from_utf8_lossy(letters).to_ascii_lowercase();
        match is_keyword(&lowered) {
            true => token(Kind::Word, lowered.as_bytes()),
            false => token(Kind::Name, letters),
        }
    }

    fn quoted_name(&mut self) -> Token {
        self.at += 1;
        let mut name = Vec::new();
        loop {
            name.extend_from_slice(self.take_while(|byte| *byte != b'`'));
            match (self.peek(), self.peek_at(1)) {
                (None, _) => return token(Kind::Bad, &name),
                (Some(_), Some(b'`')) => {
                    name.push(b'`');
                    self.at += 2;
                }
                (Some(_), _) => {
                    self.at += 1;
                    break;
                }
            }
        }
        match name.is_empty() {
            true => token(Kind::Bad, &name),
            false => token(Kind::Name, &name),
        }
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        let mut kind = Kind::Integer;
        if self.peek() == Some(b'0') && matches!(self.peek_at(1), Some(b'x' | b'X')) {
            self.at += 2;
            self.take_while(u8::is_ascii_hexdigit);
            kind = Kind::HexNumber;
        } else {
            self.take_while(u8::is_ascii_digit);
            if self.peek() == Some(b'.') {
                self.at += 1;
                self.take_while(u8::is_ascii_digit);
                kind = Kind::Float;
            }
            if matches!(self.peek(), Some(b'e' | b'E')) {
                self.at += 1;
                if matches!(self.peek(), Some(b'+' | b'-')) {
                    self.at += 1;
                }
                self.take_while(u8::is_ascii_digit);
                kind = Kind::Float;
            }
        }
        let digits = self.bytes.get(start..self.at).unwrap_or_default();
        match self.peek().is_some_and(is_letter) {
            true => token(Kind::Bad, digits),
            false => token(kind, digits),
        }
    }

    fn quoted_digits(&mut self, kind: Kind, wanted: impl Fn(&u8) -> bool) -> Token {
        self.at += 2;
        let digits = self.take_while(wanted);
        if self.peek() != Some(b'\'') {
            return token(Kind::Bad, digits);
        }
        self.at += 1;
        match kind == Kind::HexText && !digits.len().is_multiple_of(2) {
            true => token(Kind::Bad, digits),
            false => token(kind, digits),
        }
    }

    /// A quote is written twice; a backslash says what follows it.
    fn string(&mut self, quote: u8) -> Token {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|byte| *byte != quote && *byte != b'\\'));
            match (self.peek(), self.peek_at(1)) {
                (None, _) => return token(Kind::Bad, &text),
                (Some(b'\\'), None) => {
                    self.at += 1;
                    return token(Kind::Bad, &text);
                }
                (Some(b'\\'), Some(escaped)) => {
                    text.push(unescaped(escaped));
                    self.at += 2;
                }
                (Some(_), Some(next)) if next == quote => {
                    text.push(quote);
                    self.at += 2;
                }
                (Some(_), _) => {
                    self.at += 1;
                    return token(Kind::Text, &text);
                }
            }
        }
    }

    fn argument(&mut self) -> Token {
        let start = self.at;
        self.at += 1;
        let kind = match self.peek() {
            Some(b':') => {
                self.at += 1;
                Kind::Arguments
            }
            _ => Kind::Argument,
        };
        let named = self.peek().is_some_and(is_letter);
        if named {
            self.take_while(|byte| is_letter(*byte) || byte.is_ascii_digit() || *byte == b'.');
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        match named {
            true => token(kind, text),
            false => token(Kind::Bad, text),
        }
    }

    fn sign(&mut self, first: u8) -> Token {
        let rest = self.rest();
        let found = LONG_SIGNS
            .iter()
            .chain(SHORT_SIGNS)
            .find(|sign| rest.starts_with(sign.as_bytes()));
        if let Some(found) = found.filter(|_| !rest.starts_with(b"/*")) {
            self.at += found.len();
            return sign(Kind::Sign(found));
        }
        if rest.starts_with(b"/*") {
            self.at = self.bytes.len();
            return token(Kind::Bad, rest);
        }
        self.at += 1;
        token(Kind::Bad, &[first])
    }
}

fn sign(kind: Kind) -> Token {
    Token {
        kind,
        text: String::new(),
    }
}

fn token(kind: Kind, text: &[u8]) -> Token {
    Token {
        kind,
        text: String::from_utf8_lossy(text).into_owned(),
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'@'
}

/// What a letter after a backslash stands for (MySQL's escapes).
fn unescaped(letter: u8) -> u8 {
    match letter {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, String)> {
        let mut tokens = Tokens::new(text, 0);
        let mut found = Vec::new();
        loop {
            let token = tokens.next();
            if token.kind == Kind::End {
                return found;
            }
            found.push((token.kind, token.text));
        }
    }

    #[test]
    fn names_keep_their_letters_and_words_lose_their_capitals() {
        let of = |kind, text: &str| (kind, text.to_owned());
        assert_eq!(
            kinds("WorkflowId Status `Status` ANd"),
            [
                of(Kind::Name, "WorkflowId"),
                of(Kind::Word, "status"),
                of(Kind::Name, "Status"),
                of(Kind::Word, "and")
            ]
        );
    }

    #[test]
    fn strings_know_both_quotes_doubled_quotes_and_escapes() {
        let of = |text: &str| (Kind::Text, text.to_owned());
        assert_eq!(
            kinds(r#"'it''s' "a ""b""" 'x\ty' '\''"#),
            [of("it's"), of("a \"b\""), of("x\ty"), of("'")]
        );
        assert_eq!(kinds("'open")[0].0, Kind::Bad);
        assert_eq!(kinds("'open\\")[0].0, Kind::Bad);
    }

    #[test]
    fn numbers_signs_and_comments() {
        let found: Vec<Kind> = kinds("1 .5 1e3 0x1F 12abc <=> <> -- rest")
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(
            found,
            [
                Kind::Integer,
                Kind::Float,
                Kind::Float,
                Kind::HexNumber,
                Kind::Bad,
                Kind::Name,
                Kind::Sign("<=>"),
                Kind::Sign("<>")
            ]
        );
    }

    #[test]
    fn hostile_bytes_always_come_to_an_end() {
        for text in [
            "\0\0", "`", "``", "'", "\"\\", ":", "::", "/*", "/* *", "@@x", "é", "x'", "b'2", "0x", "1e+", "#",
        ] {
            kinds(text);
        }
    }
}
