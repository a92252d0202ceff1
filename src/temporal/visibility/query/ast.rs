//! A query as it was written, before its names and values mean anything.

use super::words::is_keyword;

/// An expression of SQL, as far as a query may have one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Parentheses(Box<Self>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Comparison {
        left: Box<Self>,
        operator: &'static str,
        right: Box<Self>,
    },
    Range {
        left: Box<Self>,
        negated: bool,
        from: Box<Self>,
        to: Box<Self>,
    },
    /// `IS NULL` and its kin.
    Is {
        expression: Box<Self>,
        suffix: IsSuffix,
    },
    Column(Column),
    Literal(Literal),
    Bool(bool),
    Tuple(Vec<Self>),
    /// A sign before something that isn't an integer.
    Unary {
        operator: &'static str,
        expression: Box<Self>,
    },
    Function,
    /// SQL that no query may have; the name of its type in Temporal's messages.
    Foreign(&'static str),
}

/// What comes after `IS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsSuffix {
    Null,
    NotNull,
    /// `TRUE`, `FALSE` and what isn't.
    Truth,
}

/// A name, with its qualifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) parts: Vec<String>,
}

impl Column {
    /// As Temporal looks it up.
    pub(crate) fn alias(&self) -> String {
        self.parts.join(".").replace('`', "")
    }

    /// As messages show it: with backticks where SQL needs them.
    pub(crate) fn written(&self) -> String {
        let quoted = self.parts.iter().map(|part| match needs_quotes(part) {
            true => format!("`{}`", part.replace('`', "``")),
            false => part.clone(),
        });
        quoted.collect::<Vec<_>>().join(".")
    }
}

fn needs_quotes(name: &str) -> bool {
    let plain = name.char_indices().all(|(index, letter)| {
        letter.is_ascii_alphabetic() || matches!(letter, '_' | '@') || (index > 0 && letter.is_ascii_digit())
    });
    !plain || is_keyword(&name.to_ascii_lowercase())
}

/// A value that was written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(String),
    /// Digits, with a `-` before them if they have a sign.
    Integer(String),
    Float(String),
    HexNumber(String),
    HexText(String),
    Bits(String),
    Argument(String),
}

impl Literal {
    /// As messages show it.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Text(text) => format!("'{}'", escaped(text)),
            Self::Integer(text) | Self::Float(text) | Self::HexNumber(text) | Self::Argument(text) => text.clone(),
            Self::HexText(text) => format!("X'{text}'"),
            Self::Bits(text) => format!("B'{text}'"),
        }
    }

    /// What was written, without quotes.
    pub(crate) fn contents(&self) -> &str {
        match self {
            Self::Text(text)
            | Self::Integer(text)
            | Self::Float(text)
            | Self::HexNumber(text)
            | Self::Argument(text)
            | Self::HexText(text)
            | Self::Bits(text) => text,
        }
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        let short = match letter {
            '\0' => '0',
            '\u{8}' => 'b',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{1a}' => 'Z',
            '\'' | '"' | '\\' => letter,
            other => {
                escaped.push(other);
                continue;
            }
        };
        escaped.extend(['\\', short]);
    }
    escaped
}

/// A whole query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Statement {
    pub(crate) filter: Option<Expression>,
    pub(crate) group_by: Vec<Expression>,
    pub(crate) order_by: Vec<Expression>,
    pub(crate) has_limit: bool,
}

impl Expression {
    /// The name of its type in Temporal's messages, which are written in Go.
    pub(crate) fn go_type(&self) -> &'static str {
        match self {
            Self::Parentheses(_) => "*sqlparser.ParenExpr",
            Self::Not(_) => "*sqlparser.NotExpr",
            Self::And(..) => "*sqlparser.AndExpr",
            Self::Or(..) => "*sqlparser.OrExpr",
            Self::Comparison { .. } => "*sqlparser.ComparisonExpr",
            Self::Range { .. } => "*sqlparser.RangeCond",
            Self::Is { .. } => "*sqlparser.IsExpr",
            Self::Column(_) => "*sqlparser.ColName",
            Self::Literal(_) => "*sqlparser.SQLVal",
            Self::Bool(_) => "sqlparser.BoolVal",
            Self::Tuple(_) => "sqlparser.ValTuple",
            Self::Unary { .. } => "*sqlparser.UnaryExpr",
            Self::Function => "*sqlparser.FuncExpr",
            Self::Foreign(name) => name,
        }
    }
}
