//! A readable table of a graph.

use std::fmt;

use crate::{Graph, Origin};

impl fmt::Display for Graph {
    /// One line per node: name, operator with attributes, operands, results with shapes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "network \"{}\"", self.name)?;
        for &input in &self.inputs {
            let value = self.value(input);
            writeln!(formatter, "  input {} {}", value.name, value.shape)?;
        }
        for node in &self.nodes {
            write!(formatter, "  {} = {}", node.name, crate::described(&node.op))?;
            formatter.write_str(" (")?;
            for (position, &input) in node.inputs.iter().enumerate() {
                let value = self.value(input);
                let comma = if position > 0 { ", " } else { "" };
                match value.origin {
                    Origin::Constant(_) => write!(formatter, "{comma}constant {}", value.shape)?,
                    _ => write!(formatter, "{comma}{}", value.name)?,
                }
            }
            formatter.write_str(") →")?;
            for &output in &node.outputs {
                let value = self.value(output);
                write!(formatter, " {} {}", value.name, value.shape)?;
            }
            formatter.write_str("\n")?;
        }
        for &output in &self.outputs {
            writeln!(formatter, "  output {}", self.value(output).name)?;
        }
        Ok(())
    }
}
