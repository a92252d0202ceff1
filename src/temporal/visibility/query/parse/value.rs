//! What conditions are about: literals, columns, functions, and the arithmetic between them.

use super::{Parsed, Parser, Tree, deeper};
use crate::temporal::visibility::query::ast::{Column, Expression, Literal};
use crate::temporal::visibility::query::token::Kind;

impl Parser<'_> {
    /// Arithmetic, which no query may have, but whose precedence decides what is refused.
    pub(super) fn value(&mut self, least: u8) -> Parsed<Tree> {
        let mut left = self.signed()?;
        loop {
            if self.take_word("collate") {
                self.advance();
                left = (Expression::Foreign("*sqlparser.CollateExpr"), deeper(left.1)?);
                continue;
            }
            let Some(power) = self.arithmetic_power().filter(|power| *power > least) else {
                return Ok(left);
            };
            self.advance();
            let right = self.value(power)?;
            left = (
                Expression::Foreign("*sqlparser.BinaryExpr"),
                deeper(left.1.max(right.1))?,
            );
        }
    }

    fn arithmetic_power(&self) -> Option<u8> {
        match self.token.kind {
            Kind::Sign("|") => Some(1),
            Kind::Sign("&") => Some(2),
            Kind::Sign("<<" | ">>") => Some(3),
            Kind::Sign("+" | "-") => Some(4),
            Kind::Sign("*" | "/" | "%") => Some(5),
            Kind::Word if matches!(self.token.text.as_str(), "div" | "mod") => Some(5),
            Kind::Sign("^") => Some(6),
            _ => None,
        }
    }

    fn signed(&mut self) -> Parsed<Tree> {
        let operator = match (self.token.kind, self.token.text.as_str()) {
            (Kind::Sign("+"), _) => "+",
            (Kind::Sign("-"), _) => "-",
            (Kind::Sign("~"), _) => "~",
            (Kind::Sign("!"), _) => "!",
            (Kind::Word, "binary") => "binary ",
            (Kind::Word, "_binary") => "_binary ",
            (Kind::Word, "interval") => "interval",
            _ => return self.primary(),
        };
        self.nest()?;
        self.advance();
        let (inner, depth) = self.signed()?;
        self.nesting -= 1;
        if operator == "interval" {
            self.name()?;
            return Ok((Expression::Foreign("*sqlparser.IntervalExpr"), deeper(depth)?));
        }
        Ok((with_sign(operator, inner), deeper(depth)?))
    }

    fn primary(&mut self) -> Parsed<Tree> {
        let text = self.token.text.clone();
        let literal = match self.token.kind {
            Kind::Text => Literal::Text(text),
            Kind::Integer => Literal::Integer(text),
            Kind::Float => Literal::Float(text),
            Kind::HexNumber => Literal::HexNumber(text),
            Kind::HexText => Literal::HexText(text),
            Kind::Bits => Literal::Bits(text),
            Kind::Argument => Literal::Argument(text),
            Kind::Sign("(") => return self.parentheses(),
            Kind::Word if matches!(text.as_str(), "true" | "false") => {
                self.advance();
                return Ok((Expression::Bool(text == "true"), 1));
            }
            Kind::Word if text == "null" => {
                self.advance();
                return Ok((Expression::Foreign("*sqlparser.NullVal"), 1));
            }
            Kind::Word if text == "case" => return self.case(),
            _ => return self.column(),
        };
        self.advance();
        Ok((Expression::Literal(literal), 1))
    }

    fn parentheses(&mut self) -> Parsed<Tree> {
        self.expect_open()?;
        if self.token.is_word("select") {
            return self.subquery();
        }
        let (mut list, depth) = self.list()?;
        let expression = match list.len() {
            1 => list.pop().map(|only| Expression::Parentheses(Box::new(only))),
            _ => Some(Expression::Tuple(list)),
        };
        match expression {
            Some(expression) => Ok((expression, deeper(depth)?)),
            None => self.unexpected(),
        }
    }

    fn column(&mut self) -> Parsed<Tree> {
        let mut parts = vec![self.name()?];
        while parts.len() < 3 && self.take_sign(".") {
            parts.push(self.any_name()?);
        }
        if self.token.is_sign("(") {
            self.expect_open()?;
            self.skip_to_close()?;
            return Ok((Expression::Function, 1));
        }
        if self.take_sign("->") || self.take_sign("->>") {
            self.primary()?;
            return Ok((Expression::Foreign("*sqlparser.BinaryExpr"), 2));
        }
        Ok((Expression::Column(Column { parts }), 2))
    }

    /// `CASE … END`, which no query may have.
    fn case(&mut self) -> Parsed<Tree> {
        self.advance();
        while !self.take_word("end") {
            if matches!(self.token.kind, Kind::End | Kind::Bad) {
                return self.unexpected();
            }
            self.advance();
        }
        Ok((Expression::Foreign("*sqlparser.CaseExpr"), 1))
    }

    /// After the opening parenthesis of a `SELECT`, which no query may have.
    pub(super) fn subquery(&mut self) -> Parsed<Tree> {
        self.expect_word("select")?;
        self.skip_to_close()?;
        Ok((Expression::Foreign("*sqlparser.Subquery"), 1))
    }

    /// Skips what can't be used anyway, up to the closing parenthesis.
    fn skip_to_close(&mut self) -> Parsed<()> {
        let mut open = 1_usize;
        while open > 0 {
            match self.token.kind {
                Kind::End | Kind::Bad => return self.unexpected(),
                Kind::Sign("(") => open += 1,
                Kind::Sign(")") => open -= 1,
                _ => {}
            }
            self.advance();
        }
        self.nesting = self.nesting.saturating_sub(1);
        Ok(())
    }
}

/// A sign belongs to an integer; elsewhere it is an expression of its own.
fn with_sign(operator: &'static str, inner: Expression) -> Expression {
    match (operator, inner) {
        ("+", integer @ Expression::Literal(Literal::Integer(_))) => integer,
        ("-", Expression::Literal(Literal::Integer(digits))) => {
            Expression::Literal(Literal::Integer(match digits.strip_prefix('-') {
                Some(positive) => positive.to_owned(),
                None => format!("-{digits}"),
            }))
        }
        (operator, inner) => Expression::Unary {
            operator,
            expression: Box::new(inner),
        },
    }
}
