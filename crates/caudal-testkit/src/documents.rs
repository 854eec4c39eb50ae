//! The commands that a document shows its readers, so that tests run them as they stand there.

/// Fenced lines of shell, and who runs them: the word behind ` ```sh `, empty where it is the tests of `caudal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Who runs it.
    pub runner: String,
    /// The lines, each with its end.
    pub script: String,
}

/// The blocks of shell of a document in Markdown, in their order. Blocks of other languages are left out.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Option<Block>> = None;
    for line in document.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let runner = info.strip_prefix("sh").filter(|rest| rest.is_empty() || rest.starts_with(' '));
                open = Some(runner.map(|runner| Block { runner: runner.trim().to_owned(), script: String::new() }));
            }
            (Some(block), Some(_)) => {
                blocks.extend(block.take());
                open = None;
            }
            (Some(Some(block)), None) => {
                block.script.push_str(line);
                block.script.push('\n');
            }
            (Some(None) | None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::{Block, blocks};

    #[test]
    fn a_block_of_shell_tells_who_runs_it_and_others_are_left_out() {
        let document =
            "# A\n```sh\na \\\n  b\n```\n```shell\nno\n```\ntext\n```json\n{}\n```\n```sh cluster\nc # why\n```\n";
        let block = |runner: &str, script: &str| Block { runner: runner.into(), script: script.into() };
        assert_eq!(blocks(document), [block("", "a \\\n  b\n"), block("cluster", "c # why\n")]);
    }
}
