//! Licences of all third-party packages that a Linux build or test pulls in: permissive ones only.
//!
//! An expression passes when one of its alternatives is wholly on the list, so `Apache-2.0 OR GPL-2.0-only` passes and
//! `MIT AND GPL-3.0` does not. A package that names no licence is unknown and fails.

use crate::finding::Finding;
use crate::workspace::Workspace;

const RULE: &str = "licences";

/// Permissive licences, as SPDX names them.
const ALLOWED: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "IJG",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Findings about licences.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let metadata = &workspace.metadata;
    // The graph is resolved for Linux; the list of packages is not.
    let in_tree: Vec<&str> = metadata.resolve.nodes.iter().map(|node| node.id.as_str()).collect();
    let third_party = metadata.packages.iter().filter(|package| {
        in_tree.contains(&package.id.as_str()) && !metadata.workspace_members.contains(&package.id)
    });
    third_party
        .filter(|package| !package.license.as_deref().is_some_and(is_permissive))
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("unknown");
            let problem = format!("{} {} has licence {licence}", package.name, package.version);
            Finding::new(
                ("Cargo.lock", 1),
                RULE,
                problem,
                "replace the package, or cut the feature that needs it",
            )
        })
        .collect()
}

/// Whether some alternative of an SPDX expression uses permissive licences only.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Expression { tokens: &tokens, position: 0, depth: 0 };
    parser.any() == Some(true) && parser.position == tokens.len()
}

/// A reader of `A OR B`, `A AND B`, `A WITH x` and parentheses; AND binds closer than OR.
struct Expression<'a> {
    tokens: &'a [&'a str],
    position: usize,
    depth: u8,
}

impl Expression<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut passes = self.all()?;
        while self.take("OR") {
            passes |= self.all()?;
        }
        Some(passes)
    }

    fn all(&mut self) -> Option<bool> {
        let mut passes = self.one()?;
        while self.take("AND") {
            passes &= self.one()?;
        }
        Some(passes)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            self.depth += 1;
            let inside = if self.depth < 16 { self.any()? } else { return None };
            self.depth -= 1;
            return self.take(")").then_some(inside);
        }
        let mut name = (*self.tokens.get(self.position)?).to_owned();
        if matches!(name.as_str(), "OR" | "AND" | "WITH" | ")") {
            return None;
        }
        self.position += 1;
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.tokens.get(self.position)?);
            self.position += 1;
        }
        Some(ALLOWED.contains(&name.as_str()))
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.position).is_some_and(|next| *next == token);
        self.position += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_passes_when_one_alternative_is_permissive() {
        let rows = [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 / MIT", true),
            ("Apache-2.0 OR GPL-2.0-only", true),
            ("GPL-3.0-only OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("MPL-2.0", false),
            ("LGPL-2.1 OR AGPL-3.0", false),
            ("MIT OR GPL-2.0 AND LGPL-2.1", true),
            ("(MIT OR GPL-2.0) AND LGPL-2.1", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("ISC AND (Apache-2.0 OR ISC) AND Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            ("", false),
            ("(MIT", false),
            ("MIT)", false),
            ("MIT OR", false),
            ("MIT Apache-2.0", false),
        ];
        for (expression, verdict) in rows {
            assert_eq!(is_permissive(expression), verdict, "{expression}");
        }
        assert!(!is_permissive(&"(".repeat(5000)), "nesting is bounded");
    }
}
