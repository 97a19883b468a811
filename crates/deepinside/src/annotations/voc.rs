//! One XML file per picture, as PASCAL VOC and ImageNet have them.
//!
//! Their boxes count pixels from 1, the last one included; here boxes are left, top, right, bottom from 0, half-open.

use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::{Reader, Writer};

use crate::{Error, Result};

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotation {
    /// The picture's name; in ImageNet's files without an ending.
    pub file: String,
    /// Its width in pixels; 0 where it is not stated.
    pub width: f64,
    /// Its height in pixels.
    pub height: f64,
    /// The objects in it.
    pub objects: Vec<Object>,
}

/// One object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    /// The class: a name, or a synset such as n02165105.
    pub name: String,
    /// Left, top, right, bottom, from 0 and half-open.
    pub bounds: [f64; 4],
}

/// How deep elements may lie in each other; annotations have four levels, with parts of objects five.
const DEPTH: usize = 64;

/// Reads the text of a file.
///
/// # Errors
/// A sentence without the file's name: when it is no XML, or an object has no name or box.
pub fn read(text: &str) -> std::result::Result<Annotation, String> {
    let mut reader = Reader::from_str(text);
    let (mut annotation, mut path, mut content) =
        (Annotation::default(), Vec::<String>::new(), String::new());
    let mut edges = [f64::NAN; 4];
    let mut is_annotation = false;
    loop {
        match reader.read_event().map_err(|error| format!("no XML: {error}"))? {
            Event::Start(start) => {
                if path.len() >= DEPTH {
                    return Err(format!("elements lie more than {DEPTH} deep in each other"));
                }
                path.push(start.local_name().into_inner().to_owned());
                content.clear();
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                match names[..] {
                    ["annotation"] => is_annotation = true,
                    ["annotation", "object"] => {
                        annotation.objects.push(Object::default());
                        edges = [f64::NAN; 4];
                    }
                    _ => {}
                }
            }
            Event::Text(text) => content.push_str(&text.xml10_content()),
            Event::CData(text) => content.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                match (character, quick_xml::escape::resolve_predefined_entity(&reference)) {
                    (Some(character), _) => content.push(character),
                    (None, Some(text)) => content.push_str(text),
                    (None, None) => return Err(format!("the entity '&{};' is not known", &*reference)),
                }
            }
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let text = content.trim();
                let number = || {
                    text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| {
                        format!("a number is expected in <{}>, found '{text}'", names.join("/"))
                    })
                };
                match names[..] {
                    ["annotation", "filename"] => annotation.file = text.to_owned(),
                    ["annotation", "size", "width"] => annotation.width = number()?,
                    ["annotation", "size", "height"] => annotation.height = number()?,
                    ["annotation", "object", "name"] => {
                        if let Some(object) = annotation.objects.last_mut() {
                            object.name = text.to_owned();
                        }
                    }
                    ["annotation", "object", "bndbox", edge] => match edge {
                        "xmin" => edges[0] = (number()? - 1.0).max(0.0),
                        "ymin" => edges[1] = (number()? - 1.0).max(0.0),
                        "xmax" => edges[2] = number()?,
                        "ymax" => edges[3] = number()?,
                        _ => {}
                    },
                    ["annotation", "object"] => {
                        let whole = edges.iter().all(|edge| edge.is_finite());
                        if let Some(object) = annotation.objects.last_mut() {
                            if object.name.is_empty() || !whole {
                                return Err(
                                    "an <object> needs a <name> and a <bndbox> with four numbers".to_owned()
                                );
                            }
                            object.bounds = edges;
                        }
                    }
                    _ => {}
                }
                path.pop();
                content.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if is_annotation && path.is_empty() {
        Ok(annotation)
    } else {
        Err("it holds no whole <annotation>".to_owned())
    }
}

/// Writes a file's text. Edges are rounded to whole pixels.
///
/// # Errors
/// Never for texts: the writer writes to memory.
pub fn write(annotation: &Annotation, channels: usize) -> Result<String> {
    let failed = |error: std::io::Error| Error::Option(format!("XML could not be written: {error}"));
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let element = |writer: &mut Writer<Vec<u8>>, name: &str, text: &str| -> std::io::Result<()> {
        writer.create_element(name).write_text_content(BytesText::new(text)).map(|_| ())
    };
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).map_err(failed)?;
    let written = writer.create_element("annotation").write_inner_content(|writer| {
        element(writer, "filename", &annotation.file)?;
        writer.create_element("size").write_inner_content(|writer| {
            element(writer, "width", &annotation.width.to_string())?;
            element(writer, "height", &annotation.height.to_string())?;
            element(writer, "depth", &channels.to_string())
        })?;
        element(writer, "segmented", "0")?;
        for Object { name, bounds } in &annotation.objects {
            writer.create_element("object").write_inner_content(|writer| {
                element(writer, "name", name)?;
                element(writer, "truncated", "0")?;
                element(writer, "difficult", "0")?;
                writer.create_element("bndbox").write_inner_content(|writer| {
                    let [x0, y0, x1, y1] = bounds.map(f64::round);
                    for (edge, number) in [("xmin", x0 + 1.0), ("ymin", y0 + 1.0), ("xmax", x1), ("ymax", y1)]
                    {
                        element(writer, edge, &number.to_string())?;
                    }
                    Ok(())
                })?;
                Ok(())
            })?;
        }
        Ok(())
    });
    written.map_err(failed)?;
    let text = String::from_utf8(writer.into_inner());
    text.map(|text| text + "\n").map_err(|error| Error::Option(format!("XML could not be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenets_files_are_read() {
        let text = "<annotation><folder>val</folder><filename>ILSVRC2012_val_00000001</filename>
            <source><database>ILSVRC_2012</database></source><size><width>500</width><height>375</height><depth>3</depth></size>
            <object><name>n01751748</name><pose>Unspecified</pose><bndbox><xmin>111</xmin><ymin>108</ymin><xmax>441</xmax>
            <ymax>193</ymax></bndbox><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object></annotation>";
        let object = Object { name: "n01751748".to_owned(), bounds: [110.0, 107.0, 441.0, 193.0] };
        let file = "ILSVRC2012_val_00000001".to_owned();
        assert_eq!(
            read(text).unwrap(),
            Annotation { file, width: 500.0, height: 375.0, objects: vec![object] }
        );
    }

    #[test]
    fn what_is_written_is_read_again_whatever_the_names() {
        let object = |name: &str, bounds| Object { name: name.to_owned(), bounds };
        let objects = vec![
            object("tabby & <friends> \"quoted\" ü", [0.0, 3.0, 17.0, 20.0]),
            object("n02123045", [5.0, 6.0, 7.0, 8.0]),
        ];
        let annotation = Annotation { file: "a&b.png".to_owned(), width: 40.0, height: 30.0, objects };
        let text = write(&annotation, 3).unwrap();
        assert!(text.contains("&amp;") && text.contains("&lt;friends"), "{text}");
        assert_eq!(read(&text).unwrap(), annotation);
    }

    #[test]
    fn broken_files_are_refused_with_a_reason() {
        for (text, reason) in [
            ("", "no whole <annotation>"),
            ("<annotation><object><name>cat</name></object></annotation>", "four numbers"),
            (
                "<annotation><size><width>wide</width></size></annotation>",
                "a number is expected in <annotation/size/width>",
            ),
            (
                "<annotation><object><name>cat</name><bndbox><xmin>NaN</xmin></bndbox></object></annotation>",
                "a number is expected in <annotation/object/bndbox/xmin>",
            ),
            ("<annotation><object>", "no whole <annotation>"),
            ("<annotation></object>", "no XML"),
            ("<annotation><filename>&nope;</filename></annotation>", "'&nope;'"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
        assert!(read(&"<a>".repeat(100_000)).unwrap_err().contains("deep"));
    }
}
