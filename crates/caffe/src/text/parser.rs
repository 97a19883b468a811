//! The grammar of the text format, driven by the descriptors of Caffe's messages.

use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage,
    Value,
};

use crate::{
    error::{CaffeError, Warnings},
    proto::{self, NetParameter},
};

use super::{
    Location, MAX_DEPTH, MAX_LAYERS, MAX_MESSAGES,
    decode::{decode, latin1_where_not_utf8},
    lexer::{Lexer, Token, TokenKind, unescape},
};

/// A description as it stands in its file, of whatever generation.
#[derive(Debug)]
pub(crate) struct ParsedNetwork {
    /// The decoded text, which the locations point into.
    pub(crate) source: String,
    /// What it says.
    pub(crate) parameter: NetParameter,
    /// Where each element of `parameter.layer` starts.
    pub(crate) layer_locations: Vec<Location>,
    /// Where each element of `parameter.layers` starts.
    pub(crate) old_layer_locations: Vec<Location>,
    /// Where the first `input` stands, if there is one.
    pub(crate) input_location: Option<Location>,
}

/// Reads the bytes of a `.prototxt`.
pub(crate) fn parse_network(bytes: &[u8], warnings: &mut Warnings) -> Result<ParsedNetwork, CaffeError> {
    let source = decode(bytes, warnings)?;
    let broken_build = || CaffeError::Network {
        message: "the built-in description of Caffe's format is damaged; this is a fault of the build"
            .to_owned(),
    };
    let descriptor = proto::net_parameter_descriptor().ok_or_else(broken_build)?;
    let mut message = DynamicMessage::new(descriptor);
    let mut parser = Parser::new(&source, warnings)?;
    parser.fields(&mut message, None, 0)?;
    let Parser { layer_locations, old_layer_locations, input_location, .. } = parser;
    let parameter = message.transcode_to().map_err(|_| broken_build())?;
    Ok(ParsedNetwork { source, parameter, layer_locations, old_layer_locations, input_location })
}

struct Parser<'text, 'warnings> {
    source: &'text str,
    lexer: Lexer<'text>,
    /// The token that has been read but not consumed.
    token: Token,
    warnings: &'warnings mut Warnings,
    messages: usize,
    layer_locations: Vec<Location>,
    old_layer_locations: Vec<Location>,
    input_location: Option<Location>,
}

impl<'text, 'warnings> Parser<'text, 'warnings> {
    fn new(source: &'text str, warnings: &'warnings mut Warnings) -> Result<Self, CaffeError> {
        let mut lexer = Lexer::new(source);
        let token = lexer.next()?;
        Ok(Self {
            source,
            lexer,
            token,
            warnings,
            messages: 0,
            layer_locations: Vec::new(),
            old_layer_locations: Vec::new(),
            input_location: None,
        })
    }

    /// Reads fields into `message` up to and with the closing bracket, or to the end of the text if there is none.
    fn fields(
        &mut self,
        message: &mut DynamicMessage,
        close: Option<u8>,
        depth: usize,
    ) -> Result<(), CaffeError> {
        loop {
            match (self.token.kind, close) {
                (TokenKind::End, None) => return Ok(()),
                (TokenKind::Symbol(symbol), Some(close)) if symbol == close => {
                    self.consume()?;
                    return Ok(());
                }
                (TokenKind::Identifier, _) => self.field(message, depth)?,
                (TokenKind::Symbol(b'['), _) => self.extension(message)?,
                (_, Some(close)) => {
                    return Err(self.expected(&format!("a field or '{}'", char::from(close))));
                }
                (_, None) => return Err(self.expected("a field such as 'name' or 'layer'")),
            }
            // At most one separator, as in protobuf.
            if !self.consume_if(b';')? {
                self.consume_if(b',')?;
            }
        }
    }

    /// Reads one field with its value or values.
    fn field(&mut self, message: &mut DynamicMessage, depth: usize) -> Result<(), CaffeError> {
        let name_token = self.consume()?;
        let name = self.text_of(name_token);
        let Some(field) = message.descriptor().get_field_by_name(name) else {
            let kind = message.descriptor().name().to_owned();
            self.warnings.push(
                name_token.location.line,
                format!("'{name}' is not a field of Caffe's {kind}; it is ignored"),
            );
            return self.skip_value(depth);
        };
        let child = match field.kind() {
            Kind::Message(child) => Some(child),
            _ => None,
        };
        let colon = self.consume_if(b':')?;
        if !colon && child.is_none() {
            return Err(self.expected(&format!("':' after '{name}'")));
        }
        if field.cardinality() == Cardinality::Repeated {
            if self.consume_if(b'[')? {
                if self.consume_if(b']')? {
                    return Ok(());
                }
                loop {
                    let value = self.value(&field, child.as_ref(), name_token, depth)?;
                    append(message, &field, value);
                    if self.consume_if(b']')? {
                        return Ok(());
                    }
                    self.require(b',', "',' or ']'")?;
                }
            }
            let value = self.value(&field, child.as_ref(), name_token, depth)?;
            append(message, &field, value);
            return Ok(());
        }
        if message.has_field(&field) {
            return Err(CaffeError::Syntax {
                location: name_token.location,
                message: format!("'{name}' is set a second time; remove one of the two"),
            });
        }
        let value = self.value(&field, child.as_ref(), name_token, depth)?;
        message.set_field(&field, value);
        Ok(())
    }

    /// Reads one value of a field.
    fn value(
        &mut self,
        field: &FieldDescriptor,
        child: Option<&MessageDescriptor>,
        name: Token,
        depth: usize,
    ) -> Result<Value, CaffeError> {
        if let Some(child) = child {
            return self.message(field, child, name, depth);
        }
        if depth == 0 && field.name() == "input" && self.input_location.is_none() {
            self.input_location = Some(name.location);
        }
        match field.kind() {
            Kind::Bool => self.boolean().map(Value::Bool),
            Kind::Int32 => {
                self.signed(i32::MIN.into(), i32::MAX.into()).map(|value| Value::I32(value as i32))
            }
            Kind::Int64 => {
                self.signed(i64::MIN.into(), i64::MAX.into()).map(|value| Value::I64(value as i64))
            }
            Kind::Uint32 => self.signed(0, u32::MAX.into()).map(|value| Value::U32(value as u32)),
            // A double beyond the range of f32 becomes infinite, as it does in Caffe.
            Kind::Float => self.float().map(|value| Value::F32(value as f32)),
            Kind::Double => self.float().map(Value::F64),
            Kind::String => self.string().map(Value::String),
            Kind::Enum(kind) => self.enumeration(&kind).map(Value::EnumNumber),
            // Caffe's schema has no other kinds.
            other => Err(self.expected(&format!("a value of kind {other:?}"))),
        }
    }

    /// Reads a message in braces or angle brackets.
    fn message(
        &mut self,
        field: &FieldDescriptor,
        descriptor: &MessageDescriptor,
        name: Token,
        depth: usize,
    ) -> Result<Value, CaffeError> {
        let close = match self.token.kind {
            TokenKind::Symbol(b'{') => b'}',
            TokenKind::Symbol(b'<') => b'>',
            _ => return Err(self.expected(&format!("'{{' after '{}'", field.name()))),
        };
        self.enter(depth)?;
        self.consume()?;
        if depth == 0 {
            let locations = match field.name() {
                "layer" => Some(&mut self.layer_locations),
                "layers" => Some(&mut self.old_layer_locations),
                _ => None,
            };
            if let Some(locations) = locations {
                locations.push(name.location);
                if locations.len() > MAX_LAYERS {
                    return Err(too_many("layers", locations.len(), MAX_LAYERS));
                }
            }
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        self.fields(&mut message, Some(close), depth + 1)?;
        Ok(Value::Message(message))
    }

    /// Counts a message that is about to be opened `depth` messages below the top.
    fn enter(&mut self, depth: usize) -> Result<(), CaffeError> {
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            return Err(too_many("messages in braces", self.messages, MAX_MESSAGES));
        }
        if depth >= MAX_DEPTH {
            return Err(CaffeError::Syntax {
                location: self.token.location,
                message: format!(
                    "messages are nested more than {MAX_DEPTH} deep; no Caffe network needs that"
                ),
            });
        }
        Ok(())
    }

    fn boolean(&mut self) -> Result<bool, CaffeError> {
        let value = match (self.token.kind, self.text_of(self.token)) {
            (TokenKind::Identifier, "true" | "True" | "t") => true,
            (TokenKind::Identifier, "false" | "False" | "f") => false,
            (TokenKind::Integer, text) => match parse_integer(text) {
                Some(0) => false,
                Some(1) => true,
                _ => return Err(self.expected("true or false")),
            },
            _ => return Err(self.expected("true or false")),
        };
        self.consume()?;
        Ok(value)
    }

    /// An integer from `least` to `most`, both included.
    fn signed(&mut self, least: i128, most: i128) -> Result<i128, CaffeError> {
        let negative = self.consume_if(b'-')?;
        let magnitude = match self.token.kind {
            TokenKind::Integer => parse_integer(self.text_of(self.token)),
            _ => return Err(self.expected("a whole number")),
        };
        let value = magnitude.map(|value| if negative { -i128::from(value) } else { i128::from(value) });
        match value {
            Some(value) if (least..=most).contains(&value) => {
                self.consume()?;
                Ok(value)
            }
            _ => Err(self.expected(&format!("a whole number from {least} to {most}"))),
        }
    }

    fn float(&mut self) -> Result<f64, CaffeError> {
        let negative = self.consume_if(b'-')?;
        let text = self.text_of(self.token);
        let value = match self.token.kind {
            TokenKind::Float => text.trim_end_matches(['f', 'F']).parse().ok(),
            // Protobuf refuses hexadecimal and octal numbers here; so that 010 never means 8 in one place and 10 in another.
            TokenKind::Integer if text == "0" || !text.starts_with('0') => text.parse().ok(),
            TokenKind::Identifier => match text.to_ascii_lowercase().as_str() {
                "inf" | "infinity" => Some(f64::INFINITY),
                "nan" => Some(f64::NAN),
                _ => None,
            },
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected("a decimal number"))?;
        self.consume()?;
        Ok(if negative { -value } else { value })
    }

    /// One or several string tokens in a row, joined.
    fn string(&mut self) -> Result<String, CaffeError> {
        if self.token.kind != TokenKind::String {
            return Err(self.expected("a string in quotes"));
        }
        let location = self.token.location;
        let mut bytes = Vec::new();
        while self.token.kind == TokenKind::String {
            let part = unescape(self.text_of(self.token))
                .map_err(|message| CaffeError::Syntax { location: self.token.location, message })?;
            bytes.extend_from_slice(&part);
            self.consume()?;
        }
        String::from_utf8(bytes).or_else(|error| {
            self.warnings
                .push(location.line, "the escapes in this string are not UTF-8; they are read as Latin-1");
            Ok(latin1_where_not_utf8(error.as_bytes(), |_| ()))
        })
    }

    /// A value of an enumeration, by its name or its number.
    fn enumeration(&mut self, kind: &EnumDescriptor) -> Result<i32, CaffeError> {
        let first = self.token;
        let number = match self.token.kind {
            TokenKind::Identifier => {
                kind.get_value_by_name(self.text_of(self.token)).map(|value| value.number())
            }
            TokenKind::Integer | TokenKind::Symbol(b'-') => {
                let negative = self.consume_if(b'-')?;
                let magnitude = match self.token.kind {
                    TokenKind::Integer => parse_integer(self.text_of(self.token)),
                    _ => None,
                };
                magnitude
                    .and_then(|value| i32::try_from(value).ok())
                    .map(|value| if negative { -value } else { value })
                    .filter(|value| kind.get_value(*value).is_some())
            }
            _ => None,
        };
        let Some(number) = number else {
            let names: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
            let found = describe(self.source, first);
            return Err(CaffeError::Syntax {
                location: first.location,
                message: format!("expected one of {}, found {found}", names.join(", ")),
            });
        };
        self.consume()?;
        Ok(number)
    }

    /// Skips `[name.of.extension]` or `[url/of.type]` with its value: Caffe's schema has neither.
    fn extension(&mut self, message: &DynamicMessage) -> Result<(), CaffeError> {
        let open = self.consume()?;
        while self.token.kind != TokenKind::Symbol(b']') {
            match self.token.kind {
                TokenKind::Identifier | TokenKind::Symbol(b'.' | b'/' | b'-') => self.consume()?,
                _ => return Err(self.expected("the name of an extension and ']'")),
            };
        }
        let end = self.consume()?;
        let name = &self.source[open.location.offset..end.range().end];
        let kind = message.descriptor().name().to_owned();
        self.warnings.push(open.location.line, format!("extension {name} of {kind} is ignored"));
        self.skip_value(0)
    }

    /// Skips the value of a field that the schema does not have: a scalar, a list or a message, nested as it may be.
    fn skip_value(&mut self, depth: usize) -> Result<(), CaffeError> {
        self.consume_if(b':')?;
        // The closing brackets that are still to come. Its length is bounded by `enter`, not by the text.
        let mut closers: Vec<u8> = Vec::new();
        loop {
            match self.token.kind {
                TokenKind::End => return Err(self.expected("a value")),
                TokenKind::Symbol(open @ (b'{' | b'<' | b'[')) => {
                    self.enter(depth + closers.len())?;
                    closers.push(match open {
                        b'{' => b'}',
                        b'<' => b'>',
                        _ => b']',
                    });
                    self.consume()?;
                }
                TokenKind::Symbol(close @ (b'}' | b'>' | b']')) => {
                    if closers.pop() != Some(close) {
                        return Err(self.expected("a value"));
                    }
                    self.consume()?;
                }
                TokenKind::String => {
                    // Adjacent strings are one value.
                    while self.token.kind == TokenKind::String {
                        self.consume()?;
                    }
                }
                TokenKind::Symbol(b'-') => {
                    self.consume()?;
                    continue;
                }
                TokenKind::Symbol(b':' | b',' | b';') if !closers.is_empty() => {
                    self.consume()?;
                }
                TokenKind::Symbol(_) => return Err(self.expected("a value")),
                TokenKind::Identifier | TokenKind::Integer | TokenKind::Float => {
                    self.consume()?;
                }
            }
            if closers.is_empty() {
                return Ok(());
            }
        }
    }

    /// Moves to the next token and answers the one that was current.
    fn consume(&mut self) -> Result<Token, CaffeError> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn consume_if(&mut self, symbol: u8) -> Result<bool, CaffeError> {
        let found = self.token.kind == TokenKind::Symbol(symbol);
        if found {
            self.consume()?;
        }
        Ok(found)
    }

    fn require(&mut self, symbol: u8, expected: &str) -> Result<(), CaffeError> {
        if self.consume_if(symbol)? { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn text_of(&self, token: Token) -> &'text str {
        &self.source[token.range()]
    }

    /// The error that something else was expected where the current token stands.
    fn expected(&self, expected: &str) -> CaffeError {
        CaffeError::Syntax {
            location: self.token.location,
            message: format!("expected {expected}, found {}", describe(self.source, self.token)),
        }
    }
}

/// Adds a value to a repeated field.
fn append(message: &mut DynamicMessage, field: &FieldDescriptor, value: Value) {
    if let Value::List(values) = message.get_field_mut(field) {
        values.push(value);
    }
}

/// A token, for an error message: never longer than a line.
fn describe(source: &str, token: Token) -> String {
    if token.kind == TokenKind::End {
        return "the end of the file".to_owned();
    }
    let text = &source[token.range()];
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// The value of an integer token: decimal, `0x` hexadecimal, or octal with a leading 0. `None` beyond 64 bits.
fn parse_integer(text: &str) -> Option<u64> {
    if let Some(hexadecimal) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hexadecimal, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

fn too_many(what: &'static str, found: usize, limit: usize) -> CaffeError {
    CaffeError::TooLarge { what, found: found as u64, limit: limit as u64 }
}
