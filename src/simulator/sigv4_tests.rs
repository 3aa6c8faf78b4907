use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const DATE: &str = "20260102T030405Z";
const BODY: &[u8] = br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;

fn signature(path: &str, query: &str, extra: &[(&'static str, &str)]) -> (String, String) {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert(
        "host",
        "bedrock-runtime.us-east-1.amazonaws.com".parse().unwrap(),
    );
    headers.insert("x-amz-date", DATE.parse().unwrap());
    for (name, value) in extra {
        headers.insert(*name, value.parse().unwrap());
    }
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let signed = names.join(";");
    let header = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, \
         SignedHeaders={signed}, Signature=00"
    );
    let authorization = Authorization::parse(&header).unwrap();
    let request = Signed {
        method: "POST",
        path,
        query,
        headers: &headers,
        body: BODY,
    };
    let canonical = request.canonical_request(&authorization.signed_headers);
    let key = signing_key(
        SECRET,
        authorization.date,
        authorization.region,
        authorization.service,
    );
    (
        sign(&key, &string_to_sign(&authorization, DATE, &canonical)),
        canonical,
    )
}

#[test]
fn an_encoded_path_is_encoded_again() {
    let (signature, canonical) = signature(
        "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
        "",
        &[],
    );
    assert!(canonical.starts_with(
        "POST\n/model/anthropic.claude-3-haiku-20240307-v1%253A0/converse\n\ncontent-type:application/json\n"
    ));
    assert!(
        canonical.ends_with("c3335e07d6e89650bf94cb98664be69f8774dbc3198df221f113db0a59ea14f0")
    );
    assert_eq!(
        signature,
        "1d46b853950ada1236d7f19ff7fa4766dda53e3e07916e6dea4affdb3c67879a"
    );
}

#[test]
fn session_tokens_and_bedrock_headers_are_signed() {
    let extra = [
        ("x-amz-security-token", "TOKEN"),
        ("x-amzn-bedrock-guardrailidentifier", "gr1"),
    ];
    let (signature, canonical) = signature(
        "/model/anthropic.claude-3-haiku-20240307-v1:0/invoke",
        "",
        &extra,
    );
    assert!(canonical.contains("v1%3A0/invoke"));
    assert_eq!(
        signature,
        "4be42f919de90a7e103c8057847194056d171dc13f3b2eeb91d3f6b2f02e098f"
    );
}

#[test]
fn arns_are_encoded_twice() {
    let path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123/converse";
    let (signature, _) = signature(path, "", &[]);
    assert_eq!(
        signature,
        "7cbb4adca1347f179aaabc6c098ae0f82a7c8d20d1ec18c23cd021b4865f799f"
    );
}

#[test]
fn the_query_is_sorted_and_encoded_once() {
    let (_, canonical) = signature("/x", "b=2&a=%20x&a=%7e&flag", &[]);
    assert!(
        canonical.starts_with("POST\n/x\na=%20x&a=~&b=2&flag=\n"),
        "{canonical}"
    );
}

#[test]
fn spaces_in_header_values_are_folded() {
    let (_, canonical) = signature("/x", "", &[("x-amzn-note", "  a   b ")]);
    assert!(canonical.contains("x-amzn-note:a b\n"));
}

#[test]
fn incomplete_headers_are_described() {
    let error =
        Authorization::parse("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request").unwrap_err();
    assert_eq!(
        error,
        "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."
    );
    let error =
        Authorization::parse("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1")
            .unwrap_err();
    assert!(error.starts_with("Credential must have exactly 5"));
}
