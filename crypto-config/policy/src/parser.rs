//! Reads the text of a signature policy by recursive descent, within limits of length, depth and size.
//!
//! Grammar (white space between tokens is free):
//! `rule = principal | ("AND" | "OR") "(" rule { "," rule } ")" | "OutOf" "(" number "," rule { "," rule } ")"`,
//! `principal = quote msp-id "." role quote`, quotes being `'` or `"`.

use protocol::{MspId, Role};

use crate::{
    error::PolicyParseError,
    principal::Principal,
    signature_policy::{Rule, SignaturePolicy},
};

const RULE: &str = "AND(, OR(, OutOf( or a quoted principal such as 'Org1MSP.peer'";

pub(crate) fn parse(text: &str) -> Result<Rule, PolicyParseError> {
    if text.len() > SignaturePolicy::TEXT_BYTES_MAX {
        return Err(PolicyParseError::TooLong { bytes: text.len(), limit: SignaturePolicy::TEXT_BYTES_MAX });
    }
    let mut parser = Parser { text: text.chars().collect(), at: 0, principals: 0 };
    let rule = parser.rule(1)?;
    parser.skip_white();
    if parser.at < parser.text.len() { Err(parser.unexpected("the end of the text")) } else { Ok(rule) }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    principals: usize,
}

enum Gate {
    And,
    Or,
    OutOf,
}

impl Parser {
    fn rule(&mut self, depth: usize) -> Result<Rule, PolicyParseError> {
        self.skip_white();
        if depth > SignaturePolicy::DEPTH_MAX {
            return Err(PolicyParseError::TooDeep {
                position: self.at + 1,
                limit: SignaturePolicy::DEPTH_MAX,
            });
        }
        if matches!(self.peek(), Some('\'' | '"')) {
            return self.principal().map(Rule::SignedBy);
        }
        let gate = self.gate()?;
        self.expect('(', "'('")?;
        let threshold = match gate {
            Gate::OutOf => {
                let threshold = self.number()?;
                self.expect(',', "','")?;
                Some(threshold)
            }
            Gate::And | Gate::Or => None,
        };
        let mut rules = vec![self.rule(depth + 1)?];
        while self.take(',') {
            rules.push(self.rule(depth + 1)?);
        }
        self.expect(')', "',' or ')'")?;
        let needed = match (gate, threshold) {
            (Gate::OutOf, Some((needed, position))) if needed == 0 || needed > rules.len() => {
                return Err(PolicyParseError::Threshold { position, needed, count: rules.len() });
            }
            (Gate::OutOf, Some((needed, _))) => needed,
            (Gate::Or, _) => 1,
            (Gate::And | Gate::OutOf, _) => rules.len(),
        };
        Ok(Rule::OutOf { needed, rules })
    }

    fn gate(&mut self) -> Result<Gate, PolicyParseError> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        let word: String = self.text[start..self.at].iter().collect();
        match word.to_ascii_lowercase().as_str() {
            "and" => Ok(Gate::And),
            "or" => Ok(Gate::Or),
            "outof" => Ok(Gate::OutOf),
            _ => {
                self.at = start;
                Err(self.unexpected(RULE))
            }
        }
    }

    /// A number with its position.
    fn number(&mut self) -> Result<(usize, usize), PolicyParseError> {
        self.skip_white();
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.text[start..self.at].iter().collect();
        match digits.parse() {
            Ok(number) => Ok((number, start + 1)),
            Err(_) => {
                self.at = start;
                Err(self.unexpected("how many of the rules are needed"))
            }
        }
    }

    fn principal(&mut self) -> Result<Principal, PolicyParseError> {
        let position = self.at + 1;
        let quote = self.text[self.at];
        self.at += 1;
        let start = self.at;
        while self.peek().is_some_and(|c| c != quote) {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Err(self.unexpected("the closing quote of the principal"));
        }
        let text: String = self.text[start..self.at].iter().collect();
        self.at += 1;
        self.principals += 1;
        if self.principals > SignaturePolicy::PRINCIPALS_MAX {
            return Err(PolicyParseError::TooManyPrincipals {
                position,
                limit: SignaturePolicy::PRINCIPALS_MAX,
            });
        }
        let Some((msp_id, role)) = text.rsplit_once('.') else {
            let found = format!("'{}'", text.chars().take(60).collect::<String>());
            let expected = "an MSP id, a dot and a role, such as 'Org1MSP.peer'";
            return Err(PolicyParseError::Syntax { position, found, expected });
        };
        let msp_id = MspId::new(msp_id)
            .map_err(|error| PolicyParseError::MspId { position, reason: error.to_string() })?;
        let role = role_named(role).ok_or_else(|| PolicyParseError::UnknownRole {
            position,
            role: role.chars().take(60).collect(),
        })?;
        Ok(Principal { msp_id, role })
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn skip_white(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_white();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: char, expected: &'static str) -> Result<(), PolicyParseError> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &'static str) -> PolicyParseError {
        let found = match self.peek() {
            None => "the end of the text".to_owned(),
            Some(_) => {
                let rest = self.text[self.at..].iter();
                let word: String = rest.clone().take_while(|c| c.is_alphanumeric()).take(20).collect();
                let found = if word.is_empty() { rest.take(1).collect() } else { word };
                format!("'{found}'")
            }
        };
        PolicyParseError::Syntax { position: self.at + 1, found, expected }
    }
}

fn role_named(name: &str) -> Option<Role> {
    Principal::ROLES.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(name))
}
