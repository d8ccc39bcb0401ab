//! The few shapes of SVG that the pictures of docs/ are made of.
//!
//! Whole numbers only, and nothing of the host in it (fonts, date): the same picture is the
//! same bytes everywhere, so that a test can compare it with the one in the tree.
//! Specification: SVG 1.1, sections 5.1, 9.2 and 10.

use std::fmt::Write as _;

/// What a text is set in, as far as a reader's machine has it.
pub const MONOSPACE: &str = "DejaVu Sans Mono,Menlo,Consolas,monospace";
/// See [`MONOSPACE`].
pub const SANS: &str = "DejaVu Sans,Segoe UI,Helvetica,Arial,sans-serif";

/// A picture that is being drawn.
#[derive(Debug, Clone)]
pub struct Svg {
    text: String,
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// From the left.
    pub x: usize,
    /// From the top.
    pub y: usize,
    /// To the right of that.
    pub width: usize,
    /// And down.
    pub height: usize,
}

/// How a text is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Set {
    /// Its colour, as CSS has it.
    pub fill: &'static str,
    /// Whether its letters are heavy.
    pub bold: bool,
    /// Whether it ends where it is placed, and does not begin there.
    pub ends: bool,
    /// How wide it is, whatever the font.
    pub width: Option<usize>,
}

impl Svg {
    /// An empty picture: `title` is what somebody hears who does not see it.
    #[must_use]
    pub fn new(title: &str, area: Area, font: &str, size: usize) -> Self {
        let Area { width, height, .. } = area;
        let title = escaped(title);
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{font}\" font-size=\"{size}\" \
             role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n"
        );
        Self { text }
    }

    /// Adds a filled rectangle.
    pub fn fill(&mut self, area: Area, colour: &str, rounded: usize) {
        let Area { x, y, width, height } = area;
        self.add(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{rounded}\" \
             fill=\"{colour}\"/>"
        ));
    }

    /// Adds a line of text; `x` and `y` are where it stands on its base line.
    pub fn write(&mut self, x: usize, y: usize, set: Set, text: &str) {
        let Set { fill, bold, ends, width } = set;
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let anchor = if ends { " text-anchor=\"end\"" } else { "" };
        let width = width.map(|width| format!(" textLength=\"{width}\"")).unwrap_or_default();
        let text = escaped(text);
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" fill=\"{fill}\"{weight}{anchor}{width} \
             xml:space=\"preserve\">{text}</text>"
        ));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into memory does not fail.
        let _ = writeln!(self.text, "{element}");
    }

    /// The whole file.
    #[must_use]
    pub fn finish(self) -> String {
        self.text + "</svg>\n"
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markup_is_made_of_is_text_in_a_text() {
        let mut svg = Svg::new("a & b", Area { x: 0, y: 0, width: 9, height: 8 }, SANS, 7);
        svg.write(1, 2, Set { fill: "red", ends: true, ..Set::default() }, "> \"<b>\"");
        let text = svg.finish();
        assert!(text.contains("<title>a &amp; b</title>"), "{text}");
        let expected = "<text x=\"1\" y=\"2\" fill=\"red\" text-anchor=\"end\" \
                        xml:space=\"preserve\">&gt; &quot;&lt;b&gt;&quot;</text>\n</svg>\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
