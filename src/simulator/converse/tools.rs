//! Rules about `toolConfig`.

use super::super::error::AwsError;
use super::super::json::Node;
use super::super::model_id::{Family, Model};
use super::Mode;
use super::request::Request;

type Checked = Result<(), AwsError>;

pub(super) fn check(request: &Request<'_>) -> Checked {
    if !request.root.has("toolConfig") {
        let uses_tools = request
            .blocks()
            .any(|block| ["toolUse", "toolResult"].contains(&block.kind().0));
        if uses_tools {
            return Err(AwsError::validation(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
            ));
        }
        return Ok(());
    }
    check_support(request)?;
    check_specs(request)?;
    check_choice(request)
}

fn check_support(request: &Request<'_>) -> Checked {
    let refuse = |what: &str| {
        Err(AwsError::validation(format!(
            "This model doesn't support {what}."
        )))
    };
    if !supports_tools(request.model) {
        return refuse("tool use");
    }
    let llama = request.model.family == Family::Llama;
    if llama && request.mode == Mode::Stream {
        return refuse("tool use in streaming mode");
    }
    if let Some((kind, _)) = request
        .tool_choice()
        .filter(|(kind, _)| llama && *kind != "auto")
    {
        return refuse(&format!(
            "the toolConfig.toolChoice.{kind} field. Remove toolConfig.toolChoice.{kind} and try again"
        ));
    }
    for (index, tool) in request.tools().iter().enumerate() {
        if tool.has("systemTool") && ![Family::Nova, Family::Other].contains(&request.model.family)
        {
            return refuse("system tools");
        }
        if tool.has("cachePoint") && request.model.family == Family::Nova {
            return refuse(&format!("the toolConfig.tools.{index}.cachePoint field"));
        }
    }
    Ok(())
}

fn supports_tools(model: &Model) -> bool {
    let without = [
        "deepseek.r1",
        "meta.llama3-8b",
        "meta.llama3-70b",
        "meta.llama2",
        "amazon.titan",
    ];
    !without.iter().any(|start| model.base.starts_with(start))
}

fn check_specs(request: &Request<'_>) -> Checked {
    if !request.tools().iter().any(|tool| !tool.has("cachePoint")) {
        return Err(AwsError::validation(
            "toolConfig.tools must include at least one tool.",
        ));
    }
    let mut names: Vec<&str> = Vec::new();
    for (index, tool) in request.tools().iter().enumerate() {
        let Some(spec) = tool.get("toolSpec") else {
            continue;
        };
        let name = spec.text_of("name").unwrap_or_default();
        if names.contains(&name) {
            return Err(AwsError::from_model("tools: Tool names must be unique."));
        }
        names.push(name);
        check_schema(request.model, index, spec)?;
    }
    Ok(())
}

fn check_schema(model: &Model, index: usize, spec: &Node<'_>) -> Checked {
    let Some(schema) = spec.at(&["inputSchema", "json"]) else {
        return Ok(());
    };
    if schema.text_of("type") != Some("object") {
        return Err(AwsError::validation(format!(
            "The value at toolConfig.tools.{index}.toolSpec.inputSchema.json.type must be one of the following: object."
        )));
    }
    let union = ["oneOf", "allOf", "anyOf"]
        .iter()
        .any(|name| schema.has(name));
    if model.family == Family::Claude && union {
        return Err(AwsError::from_model(format!(
            "tools.{index}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
        )));
    }
    Ok(())
}

fn check_choice(request: &Request<'_>) -> Checked {
    let Some((kind, node)) = request.tool_choice() else {
        return Ok(());
    };
    if kind == "tool" {
        let name = node.text_of("name").unwrap_or_default();
        if !request
            .tool_specs()
            .any(|spec| spec.text_of("name") == Some(name))
        {
            return Err(AwsError::from_model(format!(
                "Tool '{name}' not found in provided tools"
            )));
        }
    }
    if request
        .extra("tool_choice")
        .is_some_and(|choice| choice.has("type"))
    {
        return Err(AwsError::validation(
            "The additional field tool_choice/type conflicts with an existing field.",
        ));
    }
    Ok(())
}
