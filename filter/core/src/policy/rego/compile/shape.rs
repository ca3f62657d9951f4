//! Does the program use what the machine answers otherwise than OPA? Such is refused, not approximated.

use regorus::rvm::Instruction;
use regorus::rvm::instructions::ComprehensionMode;
use regorus::rvm::program::RuleType;

use super::Faults;

/// The most instructions of a program.
const MOST_INSTRUCTIONS: usize = 20_000;

/// Refuses definitions that may conflict, which OPA answers with an error and the machine with one of them or none.
pub(super) fn judge(faults: &mut Faults<'_>) {
    let program = faults.program;
    if program.instructions.len() > MOST_INSTRUCTIONS {
        let many = program.instructions.len();
        faults.at(usize::MAX, &format!("{many} instructions, and {MOST_INSTRUCTIONS} are the most"));
    }
    for (rule, info) in program.rule_infos.iter().enumerate() {
        if info.rule_type == RuleType::PartialObject {
            let message = "makes an object piece by piece, where one key may get two values; write an object, or \
                           `contains` for a set";
            faults.about_rule(rule, message);
        }
        let many = info.rule_type == RuleType::Complete && info.definitions.len() > 1;
        if many && !info.early_exit_on_first_success {
            let message = "has several definitions that may give different values at once; join them by `else`, or \
                           give all the same constant";
            faults.about_rule(rule, message);
        }
    }
    for (at, instruction) in program.instructions.iter().enumerate() {
        match instruction {
            Instruction::ComprehensionBegin { params_index }
                if program
                    .instruction_data
                    .get_comprehension_begin_params(*params_index)
                    .is_none_or(|params| matches!(params.mode, ComprehensionMode::Object)) =>
            {
                faults.at(
                    at,
                    "an object comprehension, where one key may get two values; make a set or an array",
                );
            }
            Instruction::VirtualDataDocumentLookup { .. } => {
                faults.at(
                    at,
                    "rules and data documents are named, not computed, down to where rules and data part",
                );
            }
            _ => {}
        }
    }
}
