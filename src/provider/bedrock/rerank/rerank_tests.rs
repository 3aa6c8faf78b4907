use super::*;

#[test]
fn the_runtime_reranks_where_the_agent_runtime_cannot() {
    let api = |model: &str, only_key| {
        RerankApi::of(&ModelId::parse(model, None, None).unwrap(), only_key)
    };
    for model in [
        "bedrock/cohere.rerank-v3-5:0",
        "arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0",
    ] {
        assert_eq!(api(model, false), RerankApi::AgentRuntime, "{model}");
        assert_eq!(api(model, true), RerankApi::Invoke, "{model}");
    }
    let asked = "bedrock/invoke/cohere.rerank-v3-5:0";
    assert_eq!(api(asked, false), RerankApi::Invoke);
    assert_eq!(RerankApi::AgentRuntime.service(), Service::AgentRuntime);
}
