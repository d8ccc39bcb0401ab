//! Prose in Markdown, as a manual page has it.
//!
//! Known are headings, paragraphs, lists, code, emphasis, links and tables; anything else
//! is an error, so that nothing of a text is lost on its way. A row of a table becomes a
//! tag and what is said of it: rows are too long to stand beside one another.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::roff::{Font, Roff};

/// The page that a document becomes; none for one that stays what it is.
pub(crate) type PageOf = fn(&str) -> Option<&'static str>;

/// What is written, and what was met on the way.
pub(crate) struct Writer<'a> {
    roff: &'a mut Roff,
    page_of: PageOf,
    /// Documents that were named and are no pages.
    pub(crate) documents: BTreeSet<String>,
    fonts: Vec<Font>,
    /// Of each list that is open the next number; none where it has bullets.
    lists: Vec<Option<u64>>,
    /// Whether a list's item has just begun.
    is_item_fresh: bool,
    heading: Option<String>,
    code: Option<String>,
    link: Option<String>,
    table: Table,
}

/// The table that is being read.
#[derive(Default)]
struct Table {
    is_open: bool,
    head: Vec<String>,
    is_head: bool,
    column: usize,
    /// What the cell's column is called, until the first of its words is written.
    label: Option<String>,
    /// Whether this row has something below its tag.
    has_body: bool,
}

impl Table {
    /// Of several columns behind the tag each says what it is.
    fn label(&self) -> Option<String> {
        let name = self.head.get(self.column.checked_sub(1)?)?;
        (self.column > 1 && self.head.len() > 2 && !name.is_empty()).then(|| format!("{name}: "))
    }
}

impl<'a> Writer<'a> {
    pub(crate) fn new(roff: &'a mut Roff, page_of: PageOf) -> Self {
        Self {
            roff,
            page_of,
            documents: BTreeSet::new(),
            fonts: vec![Font::Roman],
            lists: Vec::new(),
            is_item_fresh: false,
            heading: None,
            code: None,
            link: None,
            table: Table::default(),
        }
    }

    /// Writes a text, or a part of one.
    ///
    /// # Errors
    /// Something is in it that no page can show.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        Parser::new_ext(text, Options::ENABLE_TABLES).try_for_each(|event| self.event(event))
    }

    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.words(&text, Font::Bold),
            Event::SoftBreak => self.soft_break(),
            Event::HardBreak => self.roff.line_break(),
            other => bail!("a page cannot show {other:?}"),
        }
        Ok(())
    }

    fn start(&mut self, tag: Tag<'_>) -> Result<()> {
        match tag {
            Tag::Heading { .. } => self.heading = Some(String::new()),
            Tag::Paragraph => self.paragraph(),
            Tag::List(number) => self.start_list(number),
            Tag::Item => self.start_item(),
            Tag::CodeBlock(CodeBlockKind::Fenced(_)) => self.code = Some(String::new()),
            Tag::Emphasis => self.fonts.push(Font::Italic),
            Tag::Strong => self.fonts.push(Font::Bold),
            Tag::Link { dest_url, .. } => self.link = Some(dest_url.into_string()),
            Tag::Table(_) => self.table = Table { is_open: true, ..Table::default() },
            Tag::TableHead => self.table.is_head = true,
            Tag::TableRow => self.table.column = 0,
            Tag::TableCell => self.start_cell(),
            other => bail!("a page cannot show {other:?}"),
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.end_heading(level),
            TagEnd::List(_) => self.end_list(),
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::Emphasis | TagEnd::Strong => {
                self.fonts.pop();
            }
            TagEnd::Link => self.link = None,
            TagEnd::TableHead => self.table.is_head = false,
            TagEnd::Table => self.table.is_open = false,
            TagEnd::TableCell => self.end_cell(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(code) = &mut self.code {
            code.push_str(text);
            return;
        }
        let font = self.fonts.last().copied().unwrap_or(Font::Roman);
        self.words(text, font);
    }

    /// Words go where they are collected, or else to the page.
    fn words(&mut self, words: &str, font: Font) {
        if let Some(heading) = &mut self.heading {
            heading.push_str(words);
        } else if self.table.is_head {
            if let Some(cell) = self.table.head.last_mut() {
                cell.push_str(words);
            }
        } else {
            self.start_body();
            match &self.link {
                Some(target) if !target.starts_with('#') => self.reference(words),
                _ => self.roff.words(words, font),
            }
        }
    }

    /// The first words of a cell behind the tag.
    fn start_body(&mut self) {
        if !self.table.is_open || self.table.column < 2 {
            return;
        }
        if let Some(label) = self.table.label.take() {
            if self.table.has_body {
                self.roff.line_break();
            }
            self.roff.words(&label, Font::Italic);
        }
        self.table.has_body = true;
    }

    fn soft_break(&mut self) {
        match &mut self.heading {
            Some(heading) => heading.push(' '),
            None => self.roff.end_line(),
        }
    }

    fn paragraph(&mut self) {
        match (self.lists.is_empty(), self.is_item_fresh) {
            (true, _) => self.roff.paragraph(),
            (false, true) => self.is_item_fresh = false,
            (false, false) => self.roff.indented("", 4),
        }
    }

    fn end_heading(&mut self, level: HeadingLevel) {
        let heading = self.heading.take().unwrap_or_default();
        match level {
            HeadingLevel::H1 => {}
            HeadingLevel::H2 => self.roff.section(&heading),
            _ => self.roff.subsection(&heading),
        }
    }

    fn start_list(&mut self, number: Option<u64>) {
        if !self.lists.is_empty() {
            self.roff.shift();
        }
        self.lists.push(number);
    }

    fn end_list(&mut self) {
        self.lists.pop();
        if !self.lists.is_empty() {
            self.roff.unshift();
        }
    }

    fn start_item(&mut self) {
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}.");
                *number = number.saturating_add(1);
                mark
            }
            _ => "*".to_owned(),
        };
        self.roff.indented(&mark, 4);
        self.is_item_fresh = true;
    }

    fn end_code(&mut self) {
        let code = self.code.take().unwrap_or_default();
        self.roff.literal(&code, !self.lists.is_empty());
    }

    /// The first column is the tag.
    fn start_cell(&mut self) {
        self.table.column = self.table.column.saturating_add(1);
        if self.table.is_head {
            self.table.head.push(String::new());
        } else if self.table.column == 1 {
            self.roff.tag();
            self.table.has_body = false;
        } else {
            self.table.label = self.table.label();
        }
    }

    fn end_cell(&mut self) {
        if self.table.is_head {
            return;
        }
        match self.table.column {
            1 => self.roff.tagged(),
            _ => self.roff.end_line(),
        }
    }

    /// Names what a link leads to.
    fn reference(&mut self, words: &str) {
        let target = self.link.clone().unwrap_or_default();
        let file = target.split('#').next().unwrap_or_default().to_owned();
        match (self.page_of)(&file) {
            Some(page) if words == file => self.page(page),
            Some(page) => {
                self.roff.words(&format!("{words} ("), Font::Roman);
                self.page(page);
                self.roff.words(")", Font::Roman);
            }
            None => {
                self.roff.words(words, Font::Italic);
                self.documents.insert(file);
            }
        }
    }

    /// `name(8)`, as pages name pages.
    fn page(&mut self, page: &str) {
        let (name, section) = page.split_once('(').unwrap_or((page, ""));
        self.roff.words(name, Font::Bold);
        self.roff.words(&format!("({section}"), Font::Roman);
    }
}
