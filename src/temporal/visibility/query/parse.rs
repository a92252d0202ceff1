//! From tokens to a [`Statement`]: SQL's grammar, as far as a query can reach it.
//!
//! The precedence is MySQL's: `OR`, `AND`, `NOT`, comparisons with `IS`, then arithmetic. Nesting is bounded as in
//! Temporal's parser, so no query can exhaust the stack.

mod value;

use super::ast::{Expression, IsSuffix, Statement};
use super::token::{Kind, Token, Tokens};
use super::words::is_reserved;

/// What Temporal puts a query behind, to make it a statement.
const PREFIX: &str = "select * from table1 ";

/// Parentheses, negations and signs inside each other, at which the parser gives up.
const MAX_NESTING: usize = 200;

/// Levels of a statement's tree, at which the parser gives up.
const MAX_DEPTH: usize = 1_000;

/// Where a statement's own levels end: the statement and its `WHERE`.
const STATEMENT_DEPTH: usize = 2;

type Parsed<T> = Result<T, String>;

/// Parses a query. The error is the text after `malformed SQL query: `.
pub(super) fn parse(query: &str) -> Parsed<Statement> {
    let query = query.trim();
    let lowered = query.get(..8).unwrap_or(query).to_ascii_lowercase();
    let is_clause = query.is_empty() || lowered == "order by" || lowered == "group by";
    let text = match is_clause {
        true => format!("{PREFIX}{query}"),
        false => format!("{PREFIX}where {query}"),
    };
    Parser::new(&text).statement()
}

/// Parses what may only be a filter, without clauses before or after it of its own.
pub(super) fn parse_filter(filter: &str) -> Parsed<Statement> {
    Parser::new(&format!("{PREFIX}where {filter}")).statement()
}

/// Whether a filter can be parsed at all; the error is the parser's.
pub(super) fn check_syntax(filter: &str) -> Parsed<()> {
    const TEMPLATE: &str = "select * from dummy where ";
    let text = format!("{TEMPLATE}{filter}");
    let mut parser = Parser::at(&text, "select * from dummy ".len());
    parser.statement().map(|_| ())
}

/// An expression, and how many levels it has.
type Tree = (Expression, usize);

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// The token to look at.
    token: Token,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn new(statement: &'a str) -> Self {
        Self::at(statement, PREFIX.len())
    }

    fn at(statement: &'a str, start: usize) -> Self {
        let mut tokens = Tokens::new(statement, start);
        let token = tokens.next();
        Self {
            tokens,
            token,
            nesting: 0,
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let mut statement = Statement::default();
        if self.take_word("where") {
            statement.filter = Some(self.expression()?.0);
        }
        if self.take_word("group") {
            self.expect_word("by")?;
            statement.group_by = self.expressions()?;
        }
        if self.take_word("having") {
            self.expression()?;
        }
        if self.take_word("order") {
            self.expect_word("by")?;
            statement.order_by = self.order()?;
        }
        if self.take_word("limit") {
            statement.has_limit = true;
            self.expression()?;
            if self.take_sign(",") || self.take_word("offset") {
                self.expression()?;
            }
        }
        self.take_sign(";");
        match self.token.kind {
            Kind::End => Ok(statement),
            _ => self.unexpected(),
        }
    }

    fn expressions(&mut self) -> Parsed<Vec<Expression>> {
        let mut list = vec![self.expression()?.0];
        while self.take_sign(",") {
            list.push(self.expression()?.0);
        }
        Ok(list)
    }

    fn order(&mut self) -> Parsed<Vec<Expression>> {
        let mut list = Vec::new();
        loop {
            list.push(self.expression()?.0);
            let _direction = self.take_word("asc") || self.take_word("desc");
            if !self.take_sign(",") {
                return Ok(list);
            }
        }
    }

    fn expression(&mut self) -> Parsed<Tree> {
        let mut left = self.conjunction()?;
        while self.take_word("or") || self.take_sign("||") {
            let right = self.conjunction()?;
            left = join(left, right, Expression::Or)?;
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Parsed<Tree> {
        let mut left = self.negation()?;
        while self.take_word("and") || self.take_sign("&&") {
            let right = self.negation()?;
            left = join(left, right, Expression::And)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Parsed<Tree> {
        if !self.token.is_word("not") {
            return self.is_expression();
        }
        self.nest()?;
        self.advance();
        let (inner, depth) = self.negation()?;
        self.nesting -= 1;
        Ok((Expression::Not(Box::new(inner)), deeper(depth)?))
    }

    fn is_expression(&mut self) -> Parsed<Tree> {
        let (mut expression, mut depth) = self.condition()?;
        while self.take_word("is") {
            let negated = self.take_word("not");
            let suffix = match (self.token.kind, self.token.text.as_str()) {
                (Kind::Word, "null") if negated => IsSuffix::NotNull,
                (Kind::Word, "null") => IsSuffix::Null,
                (Kind::Word, "true" | "false") => IsSuffix::Truth,
                _ => return self.unexpected(),
            };
            self.advance();
            expression = Expression::Is {
                expression: Box::new(expression),
                suffix,
            };
            depth = deeper(depth)?;
        }
        Ok((expression, depth))
    }

    fn condition(&mut self) -> Parsed<Tree> {
        if self.take_word("exists") {
            self.expect_open()?;
            self.subquery()?;
            return Ok((Expression::Foreign("*sqlparser.ExistsExpr"), 1));
        }
        if self.take_word("default") {
            return Ok((Expression::Foreign("*sqlparser.Default"), 1));
        }
        let left = self.value(0)?;
        if let Some(operator) = self.comparison_sign() {
            self.advance();
            let right = self.value(0)?;
            return compare(left, operator, right);
        }
        let negated = self.token.is_word("not");
        if negated {
            self.advance();
        }
        let operator = match (self.token.kind, self.token.text.as_str(), negated) {
            (Kind::Word, "in", false) => "in",
            (Kind::Word, "in", true) => "not in",
            (Kind::Word, "like", false) => "like",
            (Kind::Word, "like", true) => "not like",
            (Kind::Word, "regexp" | "rlike", false) => "regexp",
            (Kind::Word, "regexp" | "rlike", true) => "not regexp",
            (Kind::Word, "starts_with", false) => "starts_with",
            (Kind::Word, "starts_with", true) => "not starts_with",
            (Kind::Word, "between", _) => return self.range(left, negated),
            _ if negated => return self.unexpected(),
            _ => return Ok(left),
        };
        self.advance();
        let right = match operator {
            "in" | "not in" => self.members()?,
            _ => self.value(0)?,
        };
        if matches!(operator, "like" | "not like") && self.take_word("escape") {
            self.value(0)?;
        }
        compare(left, operator, right)
    }

    fn range(&mut self, left: Tree, negated: bool) -> Parsed<Tree> {
        self.advance();
        let from = self.value(0)?;
        if !self.take_word("and") && !self.take_sign("&&") {
            return self.unexpected();
        }
        let to = self.value(0)?;
        let depth = left.1.max(from.1).max(to.1);
        let range = Expression::Range {
            left: Box::new(left.0),
            negated,
            from: Box::new(from.0),
            to: Box::new(to.0),
        };
        Ok((range, deeper(depth)?))
    }

    /// What comes after `IN`.
    fn members(&mut self) -> Parsed<Tree> {
        if self.token.kind == Kind::Arguments {
            self.advance();
            return Ok((Expression::Foreign("sqlparser.ListArg"), 1));
        }
        self.expect_open()?;
        if self.token.is_word("select") {
            return self.subquery();
        }
        let (members, depth) = self.list()?;
        Ok((Expression::Tuple(members), deeper(depth)?))
    }

    /// Expressions up to the closing parenthesis.
    fn list(&mut self) -> Parsed<(Vec<Expression>, usize)> {
        let (first, mut depth) = self.expression()?;
        let mut list = vec![first];
        while self.take_sign(",") {
            let (next, next_depth) = self.expression()?;
            depth = depth.max(next_depth);
            list.push(next);
        }
        self.expect_close()?;
        Ok((list, depth))
    }

    fn comparison_sign(&self) -> Option<&'static str> {
        match self.token.kind {
            Kind::Sign("<>") => Some("!="),
            Kind::Sign(sign @ ("=" | "<" | ">" | "<=" | ">=" | "!=" | "<=>")) => Some(sign),
            _ => None,
        }
    }

    fn name(&mut self) -> Parsed<String> {
        let usable = match self.token.kind {
            Kind::Name => true,
            Kind::Word => !is_reserved(&self.token.text),
            _ => false,
        };
        match usable {
            true => Ok(self.advance()),
            false => self.unexpected(),
        }
    }

    /// A name after a dot may be any word.
    fn any_name(&mut self) -> Parsed<String> {
        match self.token.kind {
            Kind::Name | Kind::Word => Ok(self.advance()),
            _ => self.unexpected(),
        }
    }

    fn expect_open(&mut self) -> Parsed<()> {
        if !self.token.is_sign("(") {
            return self.unexpected();
        }
        self.nest()?;
        self.advance();
        Ok(())
    }

    fn expect_close(&mut self) -> Parsed<()> {
        if !self.take_sign(")") {
            return self.unexpected();
        }
        self.nesting = self.nesting.saturating_sub(1);
        Ok(())
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        match self.take_word(word) {
            true => Ok(()),
            false => self.unexpected(),
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = self.token.is_word(word);
        if is {
            self.advance();
        }
        is
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is = self.token.is_sign(sign);
        if is {
            self.advance();
        }
        is
    }

    /// Goes to the next token; gives what the last one said.
    fn advance(&mut self) -> String {
        let next = self.tokens.next();
        std::mem::replace(&mut self.token, next).text
    }

    fn nest(&mut self) -> Parsed<()> {
        self.nesting += 1;
        match self.nesting >= MAX_NESTING {
            true => Err(self.complaint("max nesting level reached")),
            false => Ok(()),
        }
    }

    fn unexpected<T>(&self) -> Parsed<T> {
        Err(self.complaint("syntax error"))
    }

    fn complaint(&self, what: &str) -> String {
        let position = self.tokens.position();
        match self.token.text.as_str() {
            "" => format!("{what} at position {position}"),
            near => format!("{what} at position {position} near '{near}'"),
        }
    }
}

fn join(left: Tree, right: Tree, with: fn(Box<Expression>, Box<Expression>) -> Expression) -> Parsed<Tree> {
    let depth = deeper(left.1.max(right.1))?;
    Ok((with(Box::new(left.0), Box::new(right.0)), depth))
}

fn compare(left: Tree, operator: &'static str, right: Tree) -> Parsed<Tree> {
    let depth = deeper(left.1.max(right.1))?;
    let comparison = Expression::Comparison {
        left: Box::new(left.0),
        operator,
        right: Box::new(right.0),
    };
    Ok((comparison, depth))
}

fn deeper(depth: usize) -> Parsed<usize> {
    match STATEMENT_DEPTH + depth + 1 >= MAX_DEPTH {
        true => Err("max ast depth reached".to_owned()),
        false => Ok(depth + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(query: &str) -> String {
        parse(query).expect_err(query)
    }

    fn filter(query: &str) -> Expression {
        parse(query).expect("it is SQL").filter.expect("it has a filter")
    }

    #[test]
    fn precedence_is_that_of_sql() {
        let both = filter("NOT a = 1 AND b = 2 OR c = 3");
        let Expression::Or(left, _) = both else {
            panic!("{both:?}");
        };
        let Expression::And(not, _) = *left else {
            panic!("{left:?}");
        };
        assert!(matches!(*not, Expression::Not(_)));
        let null = filter("NOT a IS NULL");
        assert!(matches!(null, Expression::Not(inner) if matches!(*inner, Expression::Is { .. })));
    }

    // Positions and texts are those of github.com/temporalio/sqlparser v0.1.0, run over the same queries.
    #[test]
    fn complaints_name_the_position_and_the_token() {
        for (query, complaint) in [
            ("WorkflowId = ", "syntax error at position 40"),
            ("WorkflowId = 'a' AND", "syntax error at position 48"),
            ("WorkflowId == 'a'", "syntax error at position 41"),
            ("WorkflowId 'a'", "syntax error at position 42 near 'a'"),
            ("WorkflowId = 'open", "syntax error at position 46 near 'open'"),
            ("a = b = c", "syntax error at position 35"),
            ("()", "syntax error at position 30"),
            ("select = 1", "syntax error at position 34 near 'select'"),
            ("a in 'x'", "syntax error at position 36 near 'x'"),
            ("a = 1 group by", "syntax error at position 42"),
        ] {
            assert_eq!(error(query), complaint, "{query}");
        }
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let deep = format!("{}a = 1{}", "(".repeat(200), ")".repeat(200));
        assert_eq!(error(&deep), "max nesting level reached at position 228");
        let nots = format!("{}a = 1", "not ".repeat(200));
        assert_eq!(error(&nots), "max nesting level reached at position 827 near 'not'");
        let long = vec!["a = 1"; 100_000].join(" or ");
        assert_eq!(error(&long), "max ast depth reached");
        let hostile = "(".repeat(1_000_000);
        assert!(error(&hostile).starts_with("max nesting"));
    }

    #[test]
    fn clauses_stand_with_and_without_a_filter() {
        let statement = parse("GROUP BY ExecutionStatus").expect("it is SQL");
        assert_eq!((statement.filter.is_none(), statement.group_by.len()), (true, 1));
        let statement = parse("a = 1 order by b desc, c limit 3").expect("it is SQL");
        assert_eq!((statement.order_by.len(), statement.has_limit), (2, true));
        assert_eq!(parse("   "), Ok(Statement::default()));
    }
}
