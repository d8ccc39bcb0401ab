//! Reads Rust source into what the rules are about: the paths that a file names,
//! the methods that it calls, and how it binds names.
//!
//! It works on tokens, so that nothing is missed inside a macro, and leaves out
//! what only tests are made of. It resolves no types: a method is known by its
//! name alone.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};

/// Code of one file, without what is behind `#[cfg(test)]`.
pub(super) struct Code {
    tokens: Vec<TokenTree>,
}

/// A path as it is written, such as `crate::sys::clock`; each branch of a `use`
/// tree is one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) words: Vec<String>,
    pub(super) line: usize,
}

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) named: Named,
    /// The first line of its documentation.
    pub(super) opens: String,
    /// Names in front of parentheses, where something is called.
    pub(super) calls: Vec<String>,
}

impl Code {
    /// # Panics
    /// The text is no Rust.
    pub(super) fn of(text: &str) -> Self {
        let stream: TokenStream = text.parse().unwrap();
        Self { tokens: without_tests(stream) }
    }

    /// Every path of two words or more.
    pub(super) fn paths(&self) -> Vec<Named> {
        let mut found = Vec::new();
        collect_paths(&self.tokens, &mut found);
        found
    }

    /// Every word that stands for itself: keywords and names.
    pub(super) fn words(&self) -> Vec<Named> {
        let mut found = Vec::new();
        each_level(&self.tokens, &mut |level| {
            for token in level {
                if let TokenTree::Ident(word) = token {
                    found.push(Named { words: vec![word.to_string()], line: line(word) });
                }
            }
        });
        found
    }

    /// The names of methods that are called.
    pub(super) fn methods(&self) -> Vec<Named> {
        let mut found = Vec::new();
        each_level(&self.tokens, &mut |level| {
            for window in level.windows(3) {
                if let [TokenTree::Punct(dot), TokenTree::Ident(name), TokenTree::Group(call)] =
                    window
                    && dot.as_char() == '.'
                    && call.delimiter() == Delimiter::Parenthesis
                {
                    found.push(Named { words: vec![name.to_string()], line: line(name) });
                }
            }
        });
        found
    }

    /// Every public function, with the words that are called in it.
    pub(super) fn public_functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        each_level(&self.tokens, &mut |level| {
            for at in 0..level.len() {
                found.extend(function_at(level, at));
            }
        });
        found
    }

    /// Closures that are bound to a name.
    pub(super) fn named_closures(&self) -> Vec<Named> {
        self.bindings(|bound| {
            let bound = match bound {
                [TokenTree::Ident(word), rest @ ..] if word == "move" => rest,
                all => all,
            };
            matches!(bound, [TokenTree::Punct(bar), ..] if bar.as_char() == '|')
        })
    }

    /// Tuples that are taken apart where they are made.
    pub(super) fn tuple_lets(&self) -> Vec<Named> {
        self.bindings(|bound| {
            matches!(bound, [TokenTree::Group(tuple), TokenTree::Punct(end), ..]
                if end.as_char() == ';' && is_tuple(tuple))
        })
    }

    /// Each `let` whose value satisfies `is_meant`, which sees all that is behind
    /// the equals sign.
    fn bindings(&self, is_meant: fn(&[TokenTree]) -> bool) -> Vec<Named> {
        let mut found = Vec::new();
        each_level(&self.tokens, &mut |level| {
            for (at, token) in level.iter().enumerate() {
                if let TokenTree::Ident(word) = token
                    && word == "let"
                    && is_meant(bound_value(&level[at..]))
                {
                    found.push(Named { words: vec!["let".to_owned()], line: line(word) });
                }
            }
        });
        found
    }
}

/// The function that begins with a `pub` here; one that only its folder sees is none.
fn function_at(level: &[TokenTree], at: usize) -> Option<Function> {
    if !is_word(&level[at], "pub") || level.get(at + 1).is_some_and(is_parenthesis) {
        return None;
    }
    let end = level[at..].iter().position(|token| is_braces(token) || is_punct(token, ';'))?;
    let head = &level[at..at + end];
    let name = head.iter().skip_while(|token| !is_word(token, "fn")).nth(1)?;
    let (TokenTree::Ident(name), TokenTree::Group(body)) = (name, &level[at + end]) else {
        return None;
    };
    let mut calls = Vec::new();
    collect_calls(body.stream(), &mut calls);
    let named = Named { words: vec![name.to_string()], line: line(name) };
    Some(Function { named, opens: opens(&level[..at]), calls })
}

fn collect_calls(body: TokenStream, calls: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    for pair in tokens.windows(2) {
        if let TokenTree::Ident(word) = &pair[0]
            && is_parenthesis(&pair[1])
        {
            calls.push(word.to_string());
        }
    }
    for token in tokens {
        if let TokenTree::Group(group) = token {
            collect_calls(group.stream(), calls);
        }
    }
}

/// The first line of the documentation that stands last in these tokens.
fn opens(before: &[TokenTree]) -> String {
    let attributes = before
        .rchunks(2)
        .take_while(|pair| matches!(pair, [sign, TokenTree::Group(_)] if is_punct(sign, '#')));
    let lines = attributes.filter_map(|pair| documented(&pair[1]));
    lines.last().unwrap_or_default()
}

fn documented(attribute: &TokenTree) -> Option<String> {
    let TokenTree::Group(attribute) = attribute else { return None };
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let [word, _, TokenTree::Literal(text)] = tokens.as_slice() else { return None };
    is_word(word, "doc").then(|| text.to_string().trim_matches(['r', '"', '#', ' ']).to_owned())
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(found) if found == word)
}

fn is_parenthesis(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// What is behind the first single equals sign.
fn bound_value(statement: &[TokenTree]) -> &[TokenTree] {
    let is_equals = |token: &TokenTree| {
        matches!(token, TokenTree::Punct(sign)
            if sign.as_char() == '=' && sign.spacing() == Spacing::Alone)
    };
    let end = statement.iter().position(|token| is_punct(token, ';')).unwrap_or(statement.len());
    match statement[..end].iter().position(is_equals) {
        Some(at) => &statement[at + 1..],
        None => &[],
    }
}

fn is_tuple(group: &Group) -> bool {
    group.delimiter() == Delimiter::Parenthesis
        && group.stream().into_iter().any(|token| is_punct(&token, ','))
}

fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == sign)
}

fn line(word: &Ident) -> usize {
    word.span().start().line
}

/// Shows every sequence of tokens that is not interrupted by a bracket.
fn each_level(tokens: &[TokenTree], show: &mut impl FnMut(&[TokenTree])) {
    show(tokens);
    for token in tokens {
        if let TokenTree::Group(group) = token {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            each_level(&inner, show);
        }
    }
}

/// Leaves out each item that an attribute keeps for tests, at any depth.
fn without_tests(stream: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = stream.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_attribute = is_punct(&token, '#');
        if is_attribute && rest.peek().is_some_and(is_for_tests) {
            rest.next();
            skip_item(&mut rest);
            continue;
        }
        kept.push(match token {
            TokenTree::Group(group) => {
                let inner = without_tests(group.stream()).into_iter().collect();
                TokenTree::Group(Group::new(group.delimiter(), inner))
            }
            other => other,
        });
    }
    kept
}

fn is_for_tests(attribute: &TokenTree) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "[cfg(test)]" || text.starts_with("[cfg(all(test,")
}

/// To the end of the item's block, or to the semicolon of one without.
fn skip_item(rest: &mut std::iter::Peekable<proc_macro2::token_stream::IntoIter>) {
    for token in rest.by_ref() {
        let is_block = matches!(&token, TokenTree::Group(group)
            if group.delimiter() == Delimiter::Brace);
        if is_block || is_punct(&token, ';') {
            break;
        }
    }
    // Behind the tree of a use.
    if rest.peek().is_some_and(|token| is_punct(token, ';')) {
        rest.next();
    }
}

/// What a path can go on with behind `::`.
enum Next<'t> {
    Word(&'t Ident),
    Tree(&'t Group),
    Nothing,
}

fn after_colons(tokens: &[TokenTree]) -> Next<'_> {
    let [first, second, next, ..] = tokens else { return Next::Nothing };
    if !is_punct(first, ':') || !is_punct(second, ':') {
        return Next::Nothing;
    }
    match next {
        TokenTree::Ident(word) => Next::Word(word),
        TokenTree::Group(tree) if tree.delimiter() == Delimiter::Brace => Next::Tree(tree),
        _ => Next::Nothing,
    }
}

fn collect_paths(tokens: &[TokenTree], found: &mut Vec<Named>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(word) => {
                let mut path = Named { words: vec![word.to_string()], line: line(word) };
                at += follow(&mut path, &tokens[at..], found);
                if path.words.len() > 1 {
                    found.push(path);
                }
            }
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                collect_paths(&inner, found);
            }
            _ => {}
        }
    }
}

/// Lengthens a path by what follows, and gives how many tokens that was.
fn follow(path: &mut Named, tokens: &[TokenTree], found: &mut Vec<Named>) -> usize {
    let mut used = 0;
    loop {
        match after_colons(&tokens[used..]) {
            Next::Word(word) => path.words.push(word.to_string()),
            Next::Tree(tree) => {
                branches(path, tree, found);
                return used + 3;
            }
            Next::Nothing => return used,
        }
        used += 3;
    }
}

/// Each branch of a `use` tree, with the stem in front.
fn branches(stem: &Named, tree: &Group, found: &mut Vec<Named>) {
    let tokens: Vec<TokenTree> = tree.stream().into_iter().collect();
    for branch in tokens.split(|token| is_punct(token, ',')) {
        let Some((TokenTree::Ident(word), rest)) = branch.split_first() else { continue };
        let mut path = Named { words: stem.words.clone(), line: line(word) };
        if word != "self" {
            path.words.push(word.to_string());
        }
        follow(&mut path, rest, found);
        found.push(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &[Named]) -> Vec<String> {
        found.iter().map(|named| format!("{}:{}", named.line, named.words.join("::"))).collect()
    }

    #[test]
    fn trees_of_imports_are_seen_branch_by_branch() {
        let code = Code::of("use std::{fs, io::{self, Read}};\nuse crate::{sys, text};");
        assert_eq!(
            shown(&code.paths()),
            [
                "1:std::fs",
                "1:std::io",
                "1:std::io::Read",
                "1:std::io",
                "2:crate::sys",
                "2:crate::text"
            ]
        );
    }

    #[test]
    fn paths_in_macros_and_types_are_seen_and_tests_are_not() {
        let code = Code::of(
            "fn f(a: sys::Error) { println!(\"{}\", std::fs::read(a)); }\n\
             #[cfg(test)]\nmod tests { use std::fs; }\n\
             #[cfg(test)] use a::{b, c};\nfn g() { x::y() }",
        );
        assert_eq!(shown(&code.paths()), ["1:sys::Error", "1:std::fs::read", "5:x::y"]);
    }

    #[test]
    fn methods_closures_and_tuples_are_seen() {
        let code = Code::of(
            "fn f() {\n let a = |x| x;\n let b = move || 1;\n let c = d.map(|x| x);\n\
             let (e, g) = (1, 2);\n let (h, i) = j();\n k.exists();\n let l = |x: u8| -> u8 { x };\n}",
        );
        assert_eq!(shown(&code.named_closures()), ["2:let", "3:let", "8:let"]);
        assert_eq!(shown(&code.tuple_lets()), ["5:let"]);
        assert_eq!(shown(&code.methods()), ["4:map", "7:exists"]);
    }
}
