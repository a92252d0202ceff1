//! From a query as it was written to a filter that can be asked: names, types, operators.
//!
//! The rules and texts are those of Temporal's `common/persistence/visibility/store/query` with its SQLite store.

use std::collections::BTreeSet;

use temporalio_protos::temporal::api::enums::v1::IndexedValueType as Type;

use super::ast::{Column as ColumnName, Expression, IsSuffix, Statement};
use super::operand::{self, Given};
use super::parse::parse;
use crate::temporal::visibility::attributes::{self, CustomAttributes, NAMESPACE_DIVISION, RESERVED_PREFIX, type_name};
use crate::temporal::visibility::filter::{Comparison, Field, Filter, Operand};
use crate::temporal::visibility::text;

/// Which names a query may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    /// The namespace's own attributes.
    pub(crate) custom: &'a CustomAttributes,
    /// More names, for executions that aren't workflows.
    pub(crate) extra: &'a [Extra],
    /// The division that is meant if the query names none; none for ordinary workflows.
    pub(crate) division: Option<&'a str>,
}

/// A name that a kind of execution adds, and the field that it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra {
    pub(crate) name: &'static str,
    pub(crate) field: &'static str,
    pub(crate) kind: Type,
}

/// A query, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    pub(crate) filter: Filter,
    /// What a count is grouped by.
    pub(crate) group_by: Option<Column>,
    /// The names that it uses, as the user wrote them.
    pub(crate) names: BTreeSet<String>,
}

/// An attribute that a query names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    /// As the user wrote it.
    pub(crate) alias: String,
    /// The name of its field.
    pub(crate) name: String,
    pub(crate) field: Field,
    pub(crate) kind: Type,
}

/// Why a query can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsupported {
    /// It breaks a rule; the text after `invalid query: `.
    Invalid(String),
    /// Temporal takes it, but its database doesn't; the database's text.
    Database(String),
}

type Converted<T> = Result<T, Unsupported>;

const NOT_SUPPORTED: &str = "operation is not supported";
const INVALID: &str = "invalid expression";

pub(super) fn invalid<T>(text: String) -> Converted<T> {
    Err(Unsupported::Invalid(text))
}

/// SQLite's refusal of a list where it wants one value.
pub(super) fn row_value<T>() -> Converted<T> {
    Err(Unsupported::Database(
        "SQL logic error: row value misused (1)".to_owned(),
    ))
}

/// Understands a query.
pub(crate) fn convert(query: &str, names: &Names<'_>) -> Converted<Query> {
    let statement = parse(query).map_err(|why| Unsupported::Invalid(format!("malformed SQL query: {why}")))?;
    Converter {
        names,
        names_division: false,
        used: BTreeSet::new(),
    }
    .statement(&statement)
}

struct Converter<'a> {
    names: &'a Names<'a>,
    /// The query says itself which divisions it means.
    names_division: bool,
    used: BTreeSet<String>,
}

impl Converter<'_> {
    fn statement(mut self, statement: &Statement) -> Converted<Query> {
        if statement.has_limit {
            return invalid(format!("{NOT_SUPPORTED}: 'LIMIT' clause"));
        }
        let filter = match &statement.filter {
            Some(expression) => self.condition(expression)?,
            None => Filter::All,
        };
        let group_by = self.group_by(&statement.group_by)?;
        for expression in &statement.order_by {
            let column = self.column(expression)?;
            if column.kind == Type::Text {
                return invalid(format!(
                    "{NOT_SUPPORTED}: unable to sort by search attribute type {}",
                    type_name(column.kind)
                ));
            }
        }
        if !statement.order_by.is_empty() {
            return invalid(format!("{NOT_SUPPORTED}: 'ORDER BY' clause"));
        }
        let filter = match self.names_division {
            true => filter,
            false => self.division().and(filter),
        };
        Ok(Query {
            filter,
            group_by,
            names: self.used,
        })
    }

    fn division(&self) -> Filter {
        let field = Field::Attribute(NAMESPACE_DIVISION.to_owned());
        match self.names.division {
            Some(division) => Filter::Compare(field, Comparison::Equal, Operand::Text(division.to_owned())),
            None => Filter::IsNull { field, negated: false },
        }
    }

    fn group_by(&mut self, expressions: &[Expression]) -> Converted<Option<Column>> {
        let [expression] = expressions else {
            return match expressions.is_empty() {
                true => Ok(None),
                false => invalid(format!(
                    "{NOT_SUPPORTED}: 'GROUP BY' clause supports only a single field"
                )),
            };
        };
        let column = self.column(expression)?;
        let allowed = matches!(column.name.as_str(), "ExecutionStatus" | NAMESPACE_DIVISION)
            || column.name.starts_with("TemporalLowCardinalityKeyword");
        match allowed {
            true => Ok(Some(column)),
            false => invalid(format!(
                "{NOT_SUPPORTED}: 'GROUP BY' clause is not supported for search attribute {}",
                column.alias
            )),
        }
    }

    fn condition(&mut self, expression: &Expression) -> Converted<Filter> {
        match expression {
            Expression::Parentheses(inner) => self.condition(inner),
            Expression::Not(inner) => Ok(Filter::Not(Box::new(self.condition(inner)?))),
            Expression::And(left, right) => {
                let left = self.condition(left)?;
                Ok(Filter::And(Box::new(left), Box::new(self.condition(right)?)))
            }
            Expression::Or(left, right) => {
                let left = self.condition(left)?;
                Ok(Filter::Or(Box::new(left), Box::new(self.condition(right)?)))
            }
            Expression::Comparison { left, operator, right } => self.comparison(left, operator, right),
            Expression::Range {
                left,
                negated,
                from,
                to,
            } => self.range(left, *negated, from, to),
            Expression::Is { expression, suffix } => self.is(expression, *suffix),
            Expression::Function => invalid(format!("{NOT_SUPPORTED}: function expression")),
            Expression::Column(_) => invalid(format!("{INVALID}: incomplete expression")),
            other => invalid(format!("{NOT_SUPPORTED}: expression of type {}", other.go_type())),
        }
    }

    fn comparison(&mut self, left: &Expression, operator: &'static str, right: &Expression) -> Converted<Filter> {
        let column = self.column(left)?;
        let given = operand::given(right, &column)?;
        let supported = match column.kind {
            Type::Keyword => matches!(
                operator,
                "=" | "!=" | "<" | ">" | "<=" | ">=" | "in" | "not in" | "starts_with" | "not starts_with"
            ),
            Type::KeywordList => matches!(operator, "=" | "!=" | "in" | "not in"),
            Type::Text => matches!(operator, "=" | "!="),
            _ => matches!(operator, "=" | "!=" | "<" | ">" | "<=" | ">=" | "in" | "not in"),
        };
        if !supported {
            return invalid(format!(
                "{NOT_SUPPORTED}: operator '{}' not supported for {} type search attribute '{}'",
                operator.to_uppercase(),
                type_name(column.kind),
                column.alias
            ));
        }
        match column.kind {
            Type::KeywordList => list_condition(column.field, operator, &given),
            Type::Text => text_condition(column.field, operator, &given),
            _ => plain_condition(column.field, operator, given),
        }
    }

    fn range(&mut self, left: &Expression, negated: bool, from: &Expression, to: &Expression) -> Converted<Filter> {
        let column = self.column(left)?;
        if !matches!(column.kind, Type::Datetime | Type::Double | Type::Int | Type::Keyword) {
            return invalid(format!(
                "{INVALID}: cannot do range condition on search attribute '{}' of type {}",
                column.alias,
                type_name(column.kind)
            ));
        }
        let from = operand::given(from, &column)?;
        let to = operand::given(to, &column)?;
        Ok(Filter::Between {
            field: column.field,
            negated,
            from: from.single()?,
            to: to.single()?,
        })
    }

    fn is(&mut self, expression: &Expression, suffix: IsSuffix) -> Converted<Filter> {
        let field = self.column(expression)?.field;
        match suffix {
            IsSuffix::Null => Ok(Filter::IsNull { field, negated: false }),
            IsSuffix::NotNull => Ok(Filter::IsNull { field, negated: true }),
            IsSuffix::Truth => invalid(format!(
                "{INVALID}: 'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'"
            )),
        }
    }

    fn column(&mut self, expression: &Expression) -> Converted<Column> {
        let Expression::Column(name) = expression else {
            return invalid(format!(
                "{INVALID}: must be a column name but was {}",
                expression.go_type()
            ));
        };
        let column = self.resolve(name)?;
        self.names_division |= column.name == NAMESPACE_DIVISION;
        self.used.insert(column.alias.clone());
        Ok(column)
    }

    /// A custom attribute comes first, then a kind's own names, then Temporal's, with and without their prefix.
    fn resolve(&self, name: &ColumnName) -> Converted<Column> {
        let alias = name.alias();
        let column = |name: &str, kind: Type| Column {
            alias: alias.clone(),
            name: name.to_owned(),
            field: Field::of(name),
            kind,
        };
        if attributes::is_mappable(&alias)
            && let Some((place, kind)) = self.names.custom.place(&alias)
        {
            return Ok(column(place, kind));
        }
        if let Some(extra) = self.names.extra.iter().find(|extra| extra.name == alias) {
            return Ok(column(extra.field, extra.kind));
        }
        if let Some(kind) = known_type(&alias) {
            return Ok(column(&alias, kind));
        }
        let bare = alias.strip_prefix(RESERVED_PREFIX);
        let other = match bare {
            _ if bare.unwrap_or(&alias) == "ScheduleId" => "WorkflowId".to_owned(),
            Some(bare) => bare.to_owned(),
            None => format!("{RESERVED_PREFIX}{alias}"),
        };
        match known_type(&other) {
            Some(kind) => Ok(column(&other, kind)),
            None => invalid(format!("invalid search attribute: {alias}")),
        }
    }
}

/// The type of a field that exists whatever a namespace's attributes are called.
fn known_type(name: &str) -> Option<Type> {
    attributes::place_type(name)
        .or_else(|| attributes::predefined(name).map(|(kind, _)| kind))
        .or_else(|| attributes::system_type(name))
}

fn plain_condition(field: Field, operator: &'static str, given: Given) -> Converted<Filter> {
    let comparison = match operator {
        "=" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "in" | "not in" => {
            return Ok(Filter::In {
                field,
                negated: operator == "not in",
                operands: given.several()?,
            });
        }
        _ => return prefix_condition(field, operator, given),
    };
    Ok(Filter::Compare(field, comparison, given.single()?))
}

fn prefix_condition(field: Field, operator: &'static str, given: Given) -> Converted<Filter> {
    match given {
        Given::One(Operand::Text(prefix)) => Ok(Filter::StartsWith {
            field,
            negated: operator == "not starts_with",
            prefix,
        }),
        other => invalid(format!(
            "{INVALID}: right-hand side of {operator:?} operator must be a literal string (got: {})",
            other.shown(&field)
        )),
    }
}

fn list_condition(field: Field, operator: &'static str, given: &Given) -> Converted<Filter> {
    let items: Vec<&str> = match (operator, given) {
        ("=" | "!=", Given::One(Operand::Text(item))) => vec![item],
        ("=" | "!=", other) => {
            return invalid(format!(
                "{INVALID}: unexpected value type (expected string, got {})",
                other.written()
            ));
        }
        (_, Given::Many(items)) => items.iter().filter_map(Given::text).collect(),
        (_, Given::One(_)) => Vec::new(),
    };
    // An item is a phrase of its own; an empty one is no phrase, and finds nothing.
    let items = items.into_iter().filter(|item| !item.is_empty()).map(text::folded);
    Ok(Filter::Has {
        field,
        negated: matches!(operator, "!=" | "not in"),
        items: items.collect(),
    })
}

fn text_condition(field: Field, operator: &'static str, given: &Given) -> Converted<Filter> {
    let Given::One(Operand::Text(value)) = given else {
        return invalid(format!(
            "{INVALID}: unexpected value type (expected string, got {})",
            given.written()
        ));
    };
    Ok(Filter::Mentions {
        field,
        negated: operator == "!=",
        phrases: value
            .split(' ')
            .filter(|token| !token.is_empty())
            .map(text::words)
            .collect(),
    })
}
