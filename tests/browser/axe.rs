//! Runs axe-core, a checker of accessibility, in a page.

use std::fs;
use std::sync::OnceLock;

use serde_json::Value;

use crate::chromium::{target_dir, tool};
use crate::page::Page;

fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let path = tool(&["axe", target_dir().to_str().expect("a path in UTF-8")]);
        fs::read_to_string(path).expect("axe was fetched")
    })
}

impl Page {
    /// Asserts that no rule of axe-core is broken, in light and in dark. `state` is for the failure's message.
    #[track_caller]
    pub fn axe_clean(&self, state: &str) {
        if !self.is("window.axe") {
            self.eval(source());
        }
        for (scheme, rules) in [("light", ""), ("dark", "runOnly: ['color-contrast'],")] {
            // In the dark only the colours differ. preload: the policy forbids fetching the stylesheets again.
            self.media(&[("prefers-color-scheme", scheme)]);
            let run = format!(
                "axe.run({{ {rules} preload: false, resultTypes: ['violations'], rules: {{ 'target-size': {{ enabled: true }} }} }})
                    .then(({{ violations }}) => violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 160) + ' ' + n.failureSummary)))"
            );
            let found = self.eval(&run);
            assert_eq!(found, Value::Array(vec![]), "axe, {scheme}, in the state: {state}");
        }
        self.media(&[]);
    }
}
