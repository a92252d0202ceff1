//! Values in a query: from what was written to what a column of that type is compared with.

use temporalio_protos::temporal::api::enums::v1::{IndexedValueType as Type, WorkflowExecutionStatus as Status};

use super::ast::{Expression, Literal};
use super::convert::{Column, Unsupported, invalid, row_value};
use crate::temporal::visibility::attributes::type_name;
use crate::temporal::visibility::civil::Moment;
use crate::temporal::visibility::filter::{Field, Operand};
use crate::temporal::visibility::{duration, value};

type Converted<T> = Result<T, Unsupported>;

const NOT_SUPPORTED: &str = "operation is not supported";
const INVALID: &str = "invalid expression";

/// What stands to the right of an operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    One(Operand),
    Many(Vec<Self>),
}

impl Given {
    /// The one value that a comparison needs; the database refuses a list.
    pub(super) fn single(self) -> Converted<Operand> {
        match self {
            Self::One(operand) => Ok(operand),
            Self::Many(_) => row_value(),
        }
    }

    /// The values of a list.
    pub(super) fn several(self) -> Converted<Vec<Operand>> {
        match self {
            Self::Many(items) => items.into_iter().map(Self::single).collect(),
            Self::One(_) => row_value(),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::One(Operand::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// As SQL.
    pub(super) fn written(&self) -> String {
        match self {
            Self::One(operand) => match operand {
                Operand::Text(text) | Operand::Moment { text, .. } => format!("'{}'", text.replace('\'', "''")),
                Operand::Integer(number) => number.to_string(),
                Operand::Real(number) => format!("{number}"),
                Operand::Bool(flag) => flag.to_string(),
            },
            Self::Many(items) => {
                let items: Vec<String> = items.iter().map(Self::written).collect();
                format!("({})", items.join(", "))
            }
        }
    }

    /// As Go's `%v` shows it.
    pub(super) fn shown(&self, field: &Field) -> String {
        match self {
            Self::One(Operand::Integer(status)) if *field == Field::ExecutionStatus => {
                let status = i32::try_from(*status).ok().and_then(|it| Status::try_from(it).ok());
                status_name(status.unwrap_or_default())
            }
            Self::One(Operand::Text(text) | Operand::Moment { text, .. }) => text.clone(),
            Self::One(Operand::Integer(number)) => number.to_string(),
            Self::One(Operand::Real(number)) => value::go_float(*number),
            Self::One(Operand::Bool(flag)) => flag.to_string(),
            Self::Many(items) => {
                let items: Vec<String> = items.iter().map(|item| item.shown(field)).collect();
                format!("[{}]", items.join(" "))
            }
        }
    }
}

/// A value before its column's type says what it means.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Text(String),
    Integer(i64),
    Real(f64),
    Bool(bool),
}

impl Plain {
    /// As Go shows it with `%#v`.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => value::go_float(*number),
            Self::Bool(flag) => flag.to_string(),
        }
    }

    /// As Go's `%v` shows it.
    fn bare(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.shown(),
        }
    }

    fn go_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Integer(_) => "int64",
            Self::Real(_) => "float64",
            Self::Bool(_) => "bool",
        }
    }
}

/// Reads the right-hand side of an operator.
pub(super) fn given(expression: &Expression, column: &Column) -> Converted<Given> {
    match expression {
        Expression::Literal(literal) => Ok(Given::One(literal_value(literal, column)?)),
        Expression::Bool(flag) => Ok(Given::One(typed(Plain::Bool(*flag), column)?)),
        Expression::Tuple(items) => {
            let items: Converted<Vec<Given>> = items.iter().map(|item| given(item, column)).collect();
            Ok(Given::Many(items?))
        }
        Expression::Unary { operator, expression } => signed(operator, expression, column),
        Expression::Function => invalid(format!("{NOT_SUPPORTED}: nested func")),
        Expression::Column(name) => invalid(format!(
            "{NOT_SUPPORTED}: column name on the right side of comparison expression (did you forget to quote {:?}?)",
            name.written()
        )),
        other => invalid(format!("{INVALID}: unexpected value type {}", other.go_type())),
    }
}

fn signed(operator: &str, expression: &Expression, column: &Column) -> Converted<Given> {
    if !matches!(operator, "+" | "-") {
        return invalid(format!("{NOT_SUPPORTED}: unary operator {operator:?}"));
    }
    let literal = match expression {
        Expression::Literal(literal) if !matches!(literal, Literal::Text(_)) => literal,
        Expression::Literal(literal) => {
            return invalid(format!(
                "{INVALID}: unary operator not supported in {:?}",
                format!("{operator}{}", literal.written())
            ));
        }
        other => {
            return invalid(format!(
                "{INVALID}: unary operator not supported in {:?}",
                format!("{operator}{}", other.go_type())
            ));
        }
    };
    let negative = operator == "-";
    match literal_value(literal, column)? {
        Operand::Integer(number) if negative => Ok(Given::One(Operand::Integer(number.saturating_neg()))),
        Operand::Real(number) if negative => Ok(Given::One(Operand::Real(-number))),
        operand @ (Operand::Integer(_) | Operand::Real(_)) => Ok(Given::One(operand)),
        _ => invalid(format!(
            "{INVALID}: unary expression {:?}",
            format!("{operator}{}", literal.written())
        )),
    }
}

fn literal_value(literal: &Literal, column: &Column) -> Converted<Operand> {
    let Some(plain) = plain(literal) else {
        return invalid(format!("{INVALID}: unable to parse value {:?}", literal.written()));
    };
    match column.field {
        Field::ExecutionStatus => status(&plain),
        Field::ExecutionDuration => execution_duration(&plain),
        _ => typed(plain, column),
    }
}

/// Quotes at a string's ends are lost on the way, as they are in Temporal.
fn plain(literal: &Literal) -> Option<Plain> {
    let contents = literal.contents();
    match literal {
        Literal::Text(text) => Some(Plain::Text(text.trim_matches('\'').to_owned())),
        _ if contents.is_empty() => Some(Plain::Text(String::new())),
        Literal::Integer(_) | Literal::Float(_) | Literal::Bits(_) | Literal::HexText(_) => contents
            .parse()
            .map(Plain::Integer)
            .or_else(|_| contents.parse().map(Plain::Real))
            .ok(),
        Literal::HexNumber(_) | Literal::Argument(_) => None,
    }
}

fn typed(plain: Plain, column: &Column) -> Converted<Operand> {
    let wrong = |plain: &Plain| {
        invalid(format!(
            "{INVALID}: invalid value type for search attribute {} of type {}: {} (type: {})",
            column.alias,
            type_name(column.kind),
            plain.shown(),
            plain.go_type()
        ))
    };
    match (column.kind, plain) {
        (Type::Int | Type::Double, Plain::Integer(number)) => Ok(Operand::Integer(number)),
        (Type::Int | Type::Double, Plain::Real(number)) => Ok(Operand::Real(number)),
        (Type::Bool, Plain::Bool(flag)) => Ok(Operand::Bool(flag)),
        (Type::Keyword | Type::KeywordList, Plain::Text(text)) => Ok(Operand::Text(stored(&text))),
        (Type::Text, Plain::Text(text)) if text.trim().is_empty() => invalid(format!(
            "{INVALID}: no tokens found filtering on Text type search attribute {}",
            column.alias
        )),
        (Type::Text, Plain::Text(text)) => Ok(Operand::Text(stored(&text))),
        (Type::Datetime, Plain::Integer(nanoseconds)) => Ok(moment(Moment(i128::from(nanoseconds)))),
        (Type::Datetime, Plain::Text(text)) => match Moment::parse(&text) {
            Some(parsed) => Ok(moment(parsed)),
            None => invalid(format!("{INVALID}: unable to parse datetime '{text}'")),
        },
        (_, plain) => wrong(&plain),
    }
}

fn moment(moment: Moment) -> Operand {
    Operand::Moment {
        microseconds: moment.microseconds(),
        text: moment.compared(),
    }
}

/// Temporal escapes these letters for databases that read escapes. SQLite doesn't, so it compares with the escapes.
fn stored(text: &str) -> String {
    let mut stored = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => stored.push_str("\\\""),
            '\u{8}' => stored.push_str("\\b"),
            '\n' => stored.push_str("\\n"),
            '\r' => stored.push_str("\\r"),
            '\t' => stored.push_str("\\t"),
            '\\' => stored.push_str("\\\\"),
            other => stored.push(other),
        }
    }
    stored
}

/// A status by its number or its name, long or short; columns keep the number.
fn status(plain: &Plain) -> Converted<Operand> {
    let found = match plain {
        #[expect(clippy::cast_possible_truncation, reason = "so does Temporal")]
        Plain::Integer(number) => Status::try_from(*number as i32).ok(),
        Plain::Text(name) => status_by_name(name),
        Plain::Real(_) | Plain::Bool(_) => {
            return invalid(format!(
                "{INVALID}: unexpected value type {} for search attribute ExecutionStatus",
                plain.go_type()
            ));
        }
    };
    match (found, plain) {
        (Some(status), _) => Ok(Operand::Integer(i64::from(status as i32))),
        (None, Plain::Text(name)) => invalid(format!("{INVALID}: invalid ExecutionStatus value '{name}'")),
        (None, other) => invalid(format!("{INVALID}: invalid ExecutionStatus value {}", other.bare())),
    }
}

fn status_by_name(name: &str) -> Option<Status> {
    Status::from_str_name(name).or_else(|| {
        (0..=i32::from(u8::MAX))
            .map_while(|number| Status::try_from(number).ok())
            .find(|status| status_name(*status) == name)
    })
}

/// `WORKFLOW_EXECUTION_STATUS_TIMED_OUT` as Go's client and queries write it: `TimedOut`.
pub(crate) fn status_name(status: Status) -> String {
    status
        .as_str_name()
        .trim_start_matches("WORKFLOW_EXECUTION_STATUS_")
        .split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            format!("{first}{}", rest.to_lowercase())
        })
        .collect()
}

fn execution_duration(plain: &Plain) -> Converted<Operand> {
    match plain {
        Plain::Integer(nanoseconds) => Ok(Operand::Integer(*nanoseconds)),
        Plain::Text(text) => match duration::parse(text) {
            Some(nanoseconds) => Ok(Operand::Integer(nanoseconds)),
            None => invalid(format!(
                "{INVALID}: invalid duration value for search attribute ExecutionDuration: {text}"
            )),
        },
        other => invalid(format!(
            "{INVALID}: unexpected value type {} for search attribute ExecutionDuration",
            other.go_type()
        )),
    }
}
