//! The language of list filters: SQL's `WHERE`, as Temporal's query converter understands it.

mod ast;
mod convert;
mod operand;
mod parse;
mod token;
mod words;

pub(crate) use ast::{Expression, IsSuffix, Literal, Statement};
pub(crate) use convert::{Column, Extra, Names, Query, Unsupported, convert};
pub(crate) use operand::status_name;

/// What a filter says, without its meaning. The error is the parser's.
pub(crate) fn parse_filter(filter: &str) -> Result<Statement, String> {
    parse::parse_filter(filter)
}

/// Refuses a filter that isn't even SQL; the error is the parser's.
pub(crate) fn check_syntax(filter: &str) -> Result<(), String> {
    parse::check_syntax(filter)
}
