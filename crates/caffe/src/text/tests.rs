//! The reader of the text format: what it takes, what it refuses, and that it agrees with an independent parser.

use prost_reflect::DynamicMessage;

use super::{MAX_DEPTH, MAX_LAYERS, MAX_TEXT_BYTES, ParsedNetwork, parse_network};
use crate::{
    error::{CaffeError, Warning, Warnings},
    proto::{LayerParameter, NetParameter, net_parameter_descriptor, pooling_parameter::PoolMethod},
};

fn read(text: &[u8]) -> (Result<ParsedNetwork, CaffeError>, Vec<Warning>) {
    let mut warnings = Warnings::default();
    let result = parse_network(text, &mut warnings);
    (result, warnings.finish())
}

/// Reads text that must be right and give no warning.
fn clean(text: &str) -> NetParameter {
    let (result, warnings) = read(text.as_bytes());
    assert_eq!(warnings, [], "{text}");
    result.unwrap_or_else(|error| panic!("{text}: {error}")).parameter
}

/// The only layer of text that must be right.
fn layer(settings: &str) -> LayerParameter {
    let mut network = clean(&format!("layer {{ {settings} }}"));
    assert_eq!(network.layer.len(), 1);
    network.layer.remove(0)
}

fn refused(text: &str) -> (usize, usize, String) {
    match read(text.as_bytes()).0 {
        Err(CaffeError::Syntax { location, message }) => (location.line, location.column, message),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn floats_in_every_spelling() {
    let cases: [(&str, f32); 17] = [
        ("1", 1.0),
        ("1.", 1.0),
        ("1.f", 1.0),
        ("2e0", 2.0),
        ("2E+1", 20.0),
        ("0f", 0.0),
        ("0", 0.0),
        (".01", 0.01),
        ("-1e-1", -0.1),
        ("- 3F", -3.0),
        ("inf", f32::INFINITY),
        ("-inf", f32::NEG_INFINITY),
        ("Infinity", f32::INFINITY),
        ("-infinity", f32::NEG_INFINITY),
        ("1e39", f32::INFINITY),
        ("1e400", f32::INFINITY),
        ("nan", f32::NAN),
    ];
    for (text, expected) in cases {
        let found = layer(&format!("power_param {{ power: {text} }}")).power_param.map(|power| power.power());
        match found {
            Some(found) if expected.is_nan() => assert!(found.is_nan(), "{text}"),
            found => assert_eq!(found, Some(expected), "{text}"),
        }
    }
}

#[test]
fn integers_in_every_spelling_and_their_ranges() {
    for (text, expected) in
        [("10", 10), ("010", 8), ("0x10", 16), ("0XfF", 255), ("0", 0), ("-7", -7), ("- 7", -7)]
    {
        let shape = clean(&format!("input_shape {{ dim: {text} }}")).input_shape.remove(0);
        assert_eq!(shape.dim, [expected], "{text}");
    }
    assert_eq!(clean("input_dim: -2147483648").input_dim, [i32::MIN]);
    for text in
        ["2147483648", "-2147483649", "1.0", "1e2", "08", "0x", "99999999999999999999", "\"1\"", "one"]
    {
        refused(&format!("input_dim: {text}"));
    }
    refused("layer { convolution_param { num_output: -1 } }");
    refused("layer { convolution_param { num_output: 4294967296 } }");
    // What protobuf refuses for a float although it could be understood.
    refused("layer { power_param { power: 0x10 } }");
    refused("layer { power_param { power: 010 } }");
    refused("layer { power_param { power: 00.5 } }");
    refused("layer { power_param { power: 1.5.5 } }");
    refused("layer { power_param { power: 1e } }");
}

#[test]
fn truth_values_in_every_spelling() {
    for (text, expected) in [
        ("true", true),
        ("True", true),
        ("t", true),
        ("1", true),
        ("false", false),
        ("False", false),
        ("f", false),
        ("0", false),
    ] {
        assert_eq!(clean(&format!("force_backward: {text}")).force_backward, Some(expected), "{text}");
    }
    for text in ["TRUE", "yes", "2", "\"true\"", "-1"] {
        refused(&format!("force_backward: {text}"));
    }
}

#[test]
fn enumerations_by_name_and_number() {
    for text in ["AVE", "1", "0x1", "01"] {
        let pool = layer(&format!("pooling_param {{ pool: {text} }}")).pooling_param.unwrap_or_default();
        assert_eq!(pool.pool(), PoolMethod::Ave, "{text}");
    }
    for text in ["AVERAGE", "3", "-1", "\"AVE\"", "ave"] {
        let (_, _, message) = refused(&format!("layer {{ pooling_param {{ pool: {text} }} }}"));
        assert!(message.contains("expected one of MAX, AVE, STOCHASTIC"), "{message}");
    }
}

#[test]
fn strings_in_every_spelling() {
    for (text, expected) in [
        (r#""a""#, "a"),
        (r"'a'", "a"),
        (r#"'say "x"'"#, "say \"x\""),
        (r#""a" 'b'  "c""#, "abc"),
        ("\"a\"\n# between\n\"b\"", "ab"),
        (r#""\n\t\\\"\'\?\a\b\f\v\r""#, "\n\t\\\"'?\x07\x08\x0c\x0b\r"),
        (r#""\101\x42\7\303\251""#, "AB\x07é"),
        (r#""\u00e9\U0001F600""#, "é😀"),
        (r#""\xe9t""#, "\u{e9}t"),
        ("\"two\nlines\"", "two\nlines"),
        ("\"# no comment\"", "# no comment"),
        ("\"日本\"", "日本"),
    ] {
        let (result, _) = read(format!("name: {text}").as_bytes());
        let parsed = result.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.parameter.name(), expected, "{text}");
    }
    for text in
        [r#""\q""#, r#""\u12""#, r#""\ud800""#, r#""\x""#, "\"open", "'open\"", r#""ends in \"#, "open"]
    {
        refused(&format!("name: {text}"));
    }
}

#[test]
fn brackets_lists_and_separators() {
    let expected =
        clean("layer { name: \"a\" bottom: \"x\" bottom: \"y\" input_param { shape { dim: 1 dim: 2 } } }");
    for text in [
        "layer: { name: 'a', bottom: ['x', 'y']; input_param: < shape: { dim: [1, 2] } > }",
        "layer < name: 'a'; bottom: 'x', bottom: ['y'] input_param { shape [{ dim: 1, dim: 2 }] } >",
        "layer [{ name:'a' bottom:'x' bottom:'y' bottom: [] input_param{shape<dim:1 dim:2>} }];",
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
    for text in [
        "layer {",
        "layer }",
        "layer { >",
        "layer < }",
        "layer { name: 'a' };;",
        ", name: 'a'",
        "name 'a'",
        "name: { }",
        "layer: 'a'",
        "layer { pooling_param: 3 }",
        "name: ['a']",
        "}",
        "= 3",
        "layer [{ },]",
        "name: 'a' name: 'b'",
        "layer { pooling_param { } pooling_param { } }",
        "layer { bottom: ['a' 'b'] ] }",
        "name: 'a' \u{a0}",
    ] {
        refused(text);
    }
}

#[test]
fn errors_say_where() {
    assert_eq!(
        refused("name: 'a'\n  layer { type: CONVOLUTION }"),
        (2, 17, "expected a string in quotes, found CONVOLUTION".to_owned())
    );
    assert_eq!(refused("# é\nname: 'a' 7").0, 2);
    let (line, column, message) = refused("layer {\n\n");
    assert_eq!((line, column), (3, 1));
    assert!(message.contains("found the end of the file"), "{message}");
}

#[test]
fn unknown_fields_are_skipped_with_their_line() {
    let text = "name: 'n'\nnew_thing: 3\nlayer {\n  name: 'a'\n  foreign_param { order: [0, 2, 3, 1] deep < x: -inf > }\n\
                  box: -1.5e3 label: 'a' 'b', kind: CORNER;\n  top: 'y' list: [{ a: 1 }, { b: 'x}' }]\n  [fork.ext] { a: 1 }\n}";
    let (result, warnings) = read(text.as_bytes());
    let parameter = result.expect("unknown fields are no error").parameter;
    assert_eq!(parameter, clean("name: 'n' layer { name: 'a' top: 'y' }"));
    let found: Vec<_> = warnings
        .iter()
        .map(|warning| (warning.line, warning.message.split('\'').nth(1).unwrap_or("[ext]")))
        .collect();
    assert_eq!(
        found,
        [
            (2, "new_thing"),
            (5, "foreign_param"),
            (6, "box"),
            (6, "label"),
            (6, "kind"),
            (7, "list"),
            (8, "[ext]"),
        ]
    );
    for text in ["odd: }", "odd { ] }", "odd {", "odd: [1, 2", "odd", "odd: :", "odd: -", "layer { odd: }"] {
        refused(text);
    }
}

#[test]
fn many_warnings_are_counted_not_kept() {
    let (result, warnings) = read("odd: 1\n".repeat(1_000).as_bytes());
    assert!(result.is_ok());
    assert_eq!(warnings.len(), 51);
    assert_eq!(warnings[50].message, "and 950 more warnings");
}

#[test]
fn encodings() {
    assert_eq!(read(b"\xef\xbb\xbfname: 'a'").0.expect("a byte order mark is skipped").parameter.name(), "a");
    let (result, warnings) = read(b"# r\xe9seau\nname: 'caf\xe9 \xc3\xa9'");
    assert_eq!(result.expect("Latin-1 is read").parameter.name(), "café é");
    assert_eq!(
        warnings,
        [Warning { line: 1, message: "2 bytes are not UTF-8; they are read as Latin-1".to_owned() }]
    );
    for bytes in [&b"\xff\xfen\0a\0"[..], b"\x89HDF\r\n\x1a\n", b"\x0a\x03abc\0\0\0\0", b"PK\x03\x04\0"] {
        let error = read(bytes).0.expect_err("no text");
        assert!(matches!(error, CaffeError::WrongFormat { .. }), "{error}");
    }
}

#[test]
fn locations_of_layers() {
    let text = "# layer {\ninput: 'a' name: 'layer { '\n layer { name: 'layers {' }\nlayer: [ {},\n {} ]\n  layers < >";
    let parsed = read(text.as_bytes()).0.expect("right");
    let lines =
        |locations: &[super::Location]| locations.iter().map(|at| (at.line, at.column)).collect::<Vec<_>>();
    assert_eq!(lines(&parsed.layer_locations), [(3, 2), (4, 1), (4, 1)]);
    assert_eq!(lines(&parsed.old_layer_locations), [(6, 3)]);
    assert_eq!(parsed.input_location.map(|at| at.line), Some(2));
    let first = parsed.layer_locations[0];
    assert_eq!(&parsed.source[first.offset..first.offset + first.length], "layer");
}

#[test]
fn limits() {
    for open in ["layer {", "odd {", "odd [", "odd <"] {
        let bomb = open.repeat(100_000);
        let (_, _, message) = refused(&bomb);
        assert!(message.contains("nested") || message.contains("expected"), "{message}");
    }
    let nested = format!("odd {}{}", "{ a ".repeat(MAX_DEPTH + 1), "}".repeat(MAX_DEPTH + 1));
    assert!(refused(&nested).2.contains("nested more than"));
    for text in
        ["layer{}".repeat(MAX_LAYERS + 1), format!("layer{{{}}}", "include{}".repeat(20 * MAX_LAYERS))]
    {
        assert!(matches!(read(text.as_bytes()).0, Err(CaffeError::TooLarge { .. })));
    }
    assert!(matches!(read(&vec![b' '; MAX_TEXT_BYTES + 1]).0, Err(CaffeError::TooLarge { .. })));
    assert_eq!(clean(&"layer{}".repeat(MAX_LAYERS)).layer.len(), MAX_LAYERS);
}

/// prost-reflect's own parser of the text format, which shares no code with ours.
fn reference(text: &str) -> Option<NetParameter> {
    let descriptor = net_parameter_descriptor().expect("the schema is built in");
    DynamicMessage::parse_text_format(descriptor, text).ok()?.transcode_to().ok()
}

fn fixtures() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut texts = Vec::new();
    for case in std::fs::read_dir(folder).expect("fixtures") {
        let path = case.expect("an entry").path();
        for file in ["model.prototxt", "upgraded.prototxt"] {
            if let Ok(text) = std::fs::read_to_string(path.join(file)) {
                texts.push((path.join(file).display().to_string(), text));
            }
        }
    }
    assert!(texts.len() >= 14, "the fixtures are gone: {}", texts.len());
    texts
}

#[test]
fn agrees_with_an_independent_parser_on_real_files() {
    for (name, text) in fixtures() {
        assert_eq!(Some(clean(&text)), reference(&text), "{name}");
    }
}

/// A small generator of pseudo-random numbers (SplitMix64), so that failures can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

#[test]
fn damaged_text_is_refused_or_read_but_never_panics() {
    let mut random = Random(7);
    let interesting = b"{}<>[]:;,'\"\\#-.0x9eEfF\n\xff\x00\xc3 aZ_";
    let (mut accepted, mut agreed) = (0, 0);
    for (name, text) in fixtures() {
        for _ in 0..400 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes[at] = interesting[random.below(interesting.len())],
                    2 => {
                        bytes.remove(at);
                    }
                    _ => bytes.insert(at, interesting[random.below(interesting.len())]),
                }
                if bytes.len() < 2 {
                    break;
                }
            }
            let (result, warnings) = read(&bytes);
            let Ok(parsed) = result else { continue };
            accepted += 1;
            // Where both parsers accept a text without reservation they must mean the same by it.
            if warnings.is_empty()
                && let Some(expected) = reference(&parsed.source)
            {
                agreed += 1;
                // NaN is not equal to itself, and a mutation may well spell it.
                if !parsed.source.to_ascii_lowercase().contains("nan") {
                    assert_eq!(parsed.parameter, expected, "{name}:\n{}", parsed.source);
                }
            }
        }
    }
    assert!(accepted > 500 && agreed > 300, "the mutations no longer test anything: {accepted}, {agreed}");
}
