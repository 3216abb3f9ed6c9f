//! Reads the tables of Markdown documents, for tests that compare them with the code.

/// A document, and the tables in it.
pub struct Document {
    pub text: &'static str,
    pub tables: Vec<Table>,
}

/// A table, and the heading above it.
pub struct Table {
    pub heading: &'static str,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<&'static str>>,
}

impl Document {
    pub fn parse(text: &'static str) -> Self {
        let (mut tables, mut heading, mut open) = (Vec::new(), "", false);
        for line in text.lines() {
            let cells = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
            let cells = cells.map(|cells| cells.split('|').map(str::trim).collect::<Vec<_>>());
            match cells {
                Some(columns) if !open => tables.push(Table { heading, columns, rows: Vec::new() }),
                Some(cells) if cells.iter().all(|cell| cell.contains("---")) => {}
                Some(cells) => {
                    let table = tables.last_mut().expect("an open table");
                    assert_eq!(cells.len(), table.columns.len(), "cells of {line:?}");
                    table.rows.push(cells);
                }
                None if line.starts_with('#') => heading = line.trim_start_matches('#').trim(),
                None => {}
            }
            open = line.starts_with('|');
        }
        Self { text, tables }
    }

    /// The table under this heading whose first column has this name.
    pub fn table(&self, heading: &str, column: &str) -> &Table {
        let table = self.tables.iter().find(|t| t.heading == heading && t.columns[0] == column);
        table.unwrap_or_else(|| panic!("no table of {column:?} under {heading:?}"))
    }
}

/// The parts of a text, such as a table's cell, that are in backticks.
pub fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
