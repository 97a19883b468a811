//! A report as Markdown.

use deepinside::attribution::report::Report;
use deepinside::printable::markdown;

use super::cells;

pub fn report(found: &Report, title: &str, photograph: &str, network: &str) -> String {
    let mut text = format!(
        "# {} in {}\n\n{}, {} = {:.4}; deletion and insertion measure {}.\n\n",
        markdown(title),
        markdown(photograph),
        markdown(network),
        markdown(&found.target),
        found.number,
        markdown(&found.measured)
    );
    text += "| map | deletion | insertion | difference | weights randomised | sensitivity | Gini | seconds | verdict |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for card in &found.cards {
        text += &format!(
            "| {} | {} | {} |\n",
            markdown(card.title),
            cells(card).join(" | "),
            markdown(&card.verdict)
        );
    }
    for control in &found.controls {
        let known = &control.faithfulness;
        text += &format!(
            "| {} map | {:.3} | {:.3} | {:.3} | | | | | knows nothing of the network |\n",
            control.name,
            known.deletion,
            known.insertion,
            known.difference()
        );
    }
    text.push('\n');
    for note in &found.notes {
        text += &format!("{}\n\n", markdown(note));
    }
    for card in &found.cards {
        for note in &card.notes {
            text += &format!("- {}: {}\n", markdown(card.title), markdown(note));
        }
    }
    text += "\nRank correlation of the maps:\n\n| |";
    for card in &found.cards {
        text += &format!(" {} |", card.method);
    }
    text += &format!("\n|---|{}\n", "---|".repeat(found.cards.len()));
    for (card, row) in found.cards.iter().zip(&found.agreement) {
        let numbers: Vec<String> = row.iter().map(|number| format!("{number:.2}")).collect();
        text += &format!("| {} | {} |\n", card.method, numbers.join(" | "));
    }
    text
}
