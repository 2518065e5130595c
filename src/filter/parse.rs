//! From text to predicates.

use super::number::Number;
use super::{Comparison, Condition, Filter, Literal, Predicate};

const EXPECTED: &str = "conditions such as id64 >= 100, name = 'text', name IN ('a', 'b'), x IS NULL or x IS NOT NULL, \
                        joined by AND";
const KEYWORDS: [&str; 7] = ["AND", "IN", "IS", "NOT", "NULL", "TRUE", "FALSE"];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A name, a number or a keyword.
    Word(String),
    /// In double quotes.
    Name(String),
    /// In single quotes.
    Text(String),
    Operator(Comparison),
    Open,
    Close,
    Comma,
}

/// Parses a filter; the error says what was expected, and where.
pub(super) fn filter(text: &str) -> Result<Filter, String> {
    if text.trim().is_empty() {
        return Ok(Filter::default());
    }
    let mut tokens = Tokens { rest: tokens(text)?.into_iter().peekable() };
    let mut predicates = vec![tokens.predicate()?];
    while !tokens.is_done() {
        tokens.keyword("AND")?;
        predicates.push(tokens.predicate()?);
    }
    Ok(Filter(predicates))
}

/// Whether a column's name can stand without quotes.
pub(super) fn is_plain_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_word) && !KEYWORDS.contains(&name.to_ascii_uppercase().as_str())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '+' | '-')
}

fn at(place: &str) -> String {
    let start: String = place.chars().take(20).collect();
    format!("{EXPECTED}; not so at '{start}'")
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, len) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '\'' | '"' => {
                let (content, len) =
                    quoted(rest, first).ok_or_else(|| format!("{}: a quote without its end", at(rest)))?;
                (if first == '"' { Token::Name(content) } else { Token::Text(content) }, len)
            }
            c if is_word(c) => {
                let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Token::Word(rest[..len].to_string()), len)
            }
            _ => operator(rest).ok_or_else(|| at(rest))?,
        };
        tokens.push(token);
        rest = rest[len..].trim_start();
    }
    Ok(tokens)
}

fn operator(text: &str) -> Option<(Token, usize)> {
    const OPERATORS: [(&str, Comparison); 8] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("!=", Comparison::NotEqual),
        ("<>", Comparison::NotEqual),
        ("==", Comparison::Equal),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
        ("=", Comparison::Equal),
    ];
    let (sign, comparison) = OPERATORS.iter().find(|(sign, _)| text.starts_with(sign))?;
    Some((Token::Operator(*comparison), sign.len()))
}

/// What stands between quotes, and its length with them; doubled quotes are one.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            content.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return Some((content, at + 1));
        }
    }
    None
}

struct Tokens {
    rest: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Tokens {
    fn is_done(&mut self) -> bool {
        self.rest.peek().is_none()
    }

    fn unexpected<T>(&self, token: Option<Token>) -> Result<T, String> {
        Err(match token {
            None => format!("{EXPECTED}; it ends too early"),
            Some(Token::Word(word) | Token::Name(word) | Token::Text(word)) => at(&word),
            Some(Token::Operator(comparison)) => at(&comparison.to_string()),
            Some(Token::Open) => at("("),
            Some(Token::Close) => at(")"),
            Some(Token::Comma) => at(","),
        })
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is = |token: &Token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.rest.next_if(is).is_some()
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), String> {
        if self.take_keyword(keyword) {
            return Ok(());
        }
        let token = self.rest.next();
        self.unexpected(token)
    }

    fn predicate(&mut self) -> Result<Predicate, String> {
        let column = match self.rest.next() {
            Some(Token::Name(name)) => name,
            Some(Token::Word(word)) if is_plain_word(&word) => word,
            token => return self.unexpected(token),
        };
        Ok(Predicate { column, condition: self.condition()? })
    }

    fn condition(&mut self) -> Result<Condition, String> {
        if self.take_keyword("IS") {
            let not = self.take_keyword("NOT");
            self.keyword("NULL")?;
            return Ok(if not { Condition::IsNotNull } else { Condition::IsNull });
        }
        if self.take_keyword("IN") {
            return self.list();
        }
        match self.rest.next() {
            Some(Token::Operator(comparison)) => Ok(Condition::Compare(comparison, self.literal()?)),
            token => self.unexpected(token),
        }
    }

    fn list(&mut self) -> Result<Condition, String> {
        let open = self.rest.next();
        if open != Some(Token::Open) {
            return self.unexpected(open);
        }
        let mut literals = vec![self.literal()?];
        loop {
            match self.rest.next() {
                Some(Token::Comma) => literals.push(self.literal()?),
                Some(Token::Close) => return Ok(Condition::In(literals)),
                token => return self.unexpected(token),
            }
        }
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.rest.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Ok(Literal::Bool(true)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Ok(Literal::Bool(false)),
            Some(Token::Word(word)) if Number::parse(&word).is_some() => Ok(Literal::Number(word)),
            Some(Token::Word(word)) => Err(format!("{} (text stands in single quotes)", at(&word))),
            token => self.unexpected(token),
        }
    }
}
