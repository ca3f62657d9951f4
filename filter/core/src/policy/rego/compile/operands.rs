//! Which registers does an instruction read and write? Only instructions that come of Rego have an answer.

use regorus::rvm::Instruction;
use regorus::rvm::instructions::InstructionData;

/// The registers of one instruction.
pub(super) struct Operands {
    pub(super) read: Vec<u8>,
    pub(super) written: Vec<u8>,
}

fn both(read: Vec<u8>, written: Vec<u8>) -> Option<Operands> {
    Some(Operands { read, written })
}

/// `None` for what no Rego is compiled to, or what names something that is not there.
pub(super) fn of(instruction: &Instruction, data: &InstructionData) -> Option<Operands> {
    use Instruction as I;
    match *instruction {
        I::LoadTrue { dest } | I::LoadFalse { dest } | I::LoadNull { dest } | I::LoadBool { dest, .. } => {
            both(vec![], vec![dest])
        }
        I::Add { dest, left, right }
        | I::Sub { dest, left, right }
        | I::Mul { dest, left, right }
        | I::Div { dest, left, right }
        | I::Mod { dest, left, right }
        | I::Eq { dest, left, right }
        | I::Ne { dest, left, right }
        | I::Lt { dest, left, right }
        | I::Le { dest, left, right }
        | I::Gt { dest, left, right }
        | I::Ge { dest, left, right }
        | I::And { dest, left, right }
        | I::Or { dest, left, right } => both(vec![left, right], vec![dest]),
        I::Not { dest, operand } => both(vec![operand], vec![dest]),
        I::Return { value } => both(vec![value], vec![]),
        I::AssertEq { left, right } => both(vec![left, right], vec![]),
        I::Guard { register, .. } => both(vec![register], vec![]),
        I::CallRule { dest, .. } => both(vec![], vec![dest]),
        I::RuleInit { result_reg, .. } => both(vec![], vec![result_reg]),
        I::DestructuringSuccess {}
        | I::RuleReturn {}
        | I::Halt {}
        | I::LoopNext { .. }
        | I::ComprehensionEnd {} => both(vec![], vec![]),
        I::LoadData { dest } => both(vec![], vec![dest]),
        _ => of_collection(instruction, data),
    }
}

fn of_collection(instruction: &Instruction, data: &InstructionData) -> Option<Operands> {
    use Instruction as I;
    match *instruction {
        I::ArrayNew { dest } | I::SetNew { dest } => both(vec![], vec![dest]),
        I::ObjectSet { obj, key, value } => both(vec![obj, key, value], vec![obj]),
        I::ArrayPush { arr, value } | I::ArrayPushDefined { arr, value } => both(vec![arr, value], vec![arr]),
        I::SetAdd { set, value } => both(vec![set, value], vec![set]),
        I::Contains { dest, collection, value } => both(vec![collection, value], vec![dest]),
        I::Count { dest, collection } => both(vec![collection], vec![dest]),
        I::ComprehensionYield { value_reg, key_reg } => {
            both(std::iter::once(value_reg).chain(key_reg).collect(), vec![])
        }
        _ => of_table(instruction, data),
    }
}

/// Those whose registers stand in a table.
fn of_table(instruction: &Instruction, data: &InstructionData) -> Option<Operands> {
    use Instruction as I;
    match *instruction {
        I::BuiltinCall { params_index } => {
            let params = data.get_builtin_call_params(params_index)?;
            both(params.arg_registers().to_vec(), vec![params.dest])
        }
        I::FunctionCall { params_index } => {
            let params = data.get_function_call_params(params_index)?;
            both(params.arg_registers().to_vec(), vec![params.dest])
        }
        I::ObjectCreate { params_index } => {
            let params = data.get_object_create_params(params_index)?;
            let literal = params.literal_key_field_pairs().iter().map(|(_, value)| *value);
            let computed = params.field_pairs().iter().flat_map(|(key, value)| [*key, *value]);
            both(literal.chain(computed).collect(), vec![params.dest])
        }
        I::ArrayCreate { params_index } => {
            let params = data.get_array_create_params(params_index)?;
            both(params.element_registers().to_vec(), vec![params.dest])
        }
        I::SetCreate { params_index } => {
            let params = data.get_set_create_params(params_index)?;
            both(params.element_registers().to_vec(), vec![params.dest])
        }
        I::LoopStart { params_index } => {
            let params = data.get_loop_params(params_index)?;
            both(vec![params.collection], vec![params.key_reg, params.value_reg, params.result_reg])
        }
        I::ComprehensionBegin { params_index } => {
            let params = data.get_comprehension_begin_params(params_index)?;
            both(vec![params.collection_reg], vec![params.result_reg, params.key_reg, params.value_reg])
        }
        // Refused elsewhere, with a reason.
        I::VirtualDataDocumentLookup { params_index } => {
            let params = data.get_virtual_data_document_lookup_params(params_index)?;
            both(params.register_numbers(), vec![params.dest])
        }
        _ => None,
    }
}
