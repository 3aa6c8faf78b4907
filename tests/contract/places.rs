//! Where Redis may be, who signs in, and the names that are used there.

use std::sync::Arc;

use redis::Value;
use switchyard::clock::SystemClock;
use switchyard::config::{RedisConfig, Secret};
use switchyard::store::{Report, Spent, Store, StoreError, connect_trusting};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_util::task::TaskTracker;

use crate::redis_server::{Server, free_port};
use crate::{World, config_at, eventually, gauge, rpm, store_of, take};

fn by_url(url: String) -> RedisConfig {
    RedisConfig {
        url: Some(Secret::new(url)),
        ..config_at(0)
    }
}

/// Everything once: a limit, the board, a value.
async fn works(store: &Arc<dyn Store>) {
    let charges = [rpm("k", 9), gauge("g", 9)];
    store.reserve(&charges).await.unwrap();
    let report = Report {
        spent: vec![Spent {
            key: "deployment:a".to_owned(),
            period: None,
            usd: 1.0,
        }],
        ..Report::default()
    };
    assert_eq!(store.exchange(&report).await.unwrap().instances, 1);
    store.warm("id").await.unwrap();
    let names: Vec<String> = (0..20).map(|index| format!("cache:{index}")).collect();
    for name in &names {
        store.write(name, "x".into(), None).await.unwrap();
    }
    assert!(
        store
            .read(&names)
            .await
            .unwrap()
            .iter()
            .all(Option::is_some)
    );
    assert_eq!(store.delete(&names[..5]).await.unwrap(), 5);
    assert_eq!(store.flush("cache:").await.unwrap(), 15);
    store.ping().await.unwrap();
    assert!(store.info().await.unwrap().contains("redis_version"));
}

#[tokio::test(flavor = "multi_thread")]
async fn acl_user_signs_in() {
    let server = Server::start(&[
        "--user",
        "me",
        "on",
        ">hunter2",
        "~switchyard:*",
        "+@all",
        "-@dangerous",
        "+info",
    ]);
    let store = store_of(&by_url(format!(
        "redis://me:hunter2@127.0.0.1:{}",
        server.port
    )));
    works(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_refused_and_not_repeated() {
    let server = Server::start(&["--user", "default", "on", ">right", "~*", "+@all"]);
    let url = format!("redis://:hunter2@127.0.0.1:{}", server.port);
    let store = store_of(&by_url(url));
    eventually("it is refused", async || {
        matches!(store.ping().await, Err(StoreError::Refused(why)) if !why.contains("hunter2"))
    })
    .await;
    assert!(!format!("{store:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn user_without_scripts_is_refused_limits_only() {
    let server = Server::start(&[
        "--user",
        "default",
        "on",
        "nopass",
        "~*",
        "+@all",
        "-@scripting",
    ]);
    let store = store_of(&config_at(server.port));
    let error = store.reserve(&[rpm("k", 1)]).await.expect_err("no scripts");
    assert!(
        matches!(&error, StoreError::Refused(why) if why.contains("NOPERM")),
        "{error}"
    );
    store.write("cache:a", "x".into(), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unix_socket_works() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let _server = Server::start(&["--unixsocket", socket.to_str().unwrap()]);
    works(&store_of(&by_url(format!(
        "redis+unix://{}",
        socket.display()
    ))))
    .await;
}

/// Takes TLS off and passes on to `port`; returns where, and the authority that signed its certificate.
async fn tls_before(port: u16) -> (u16, String) {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority = parameters.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut outside) = acceptor.accept(stream).await {
                    let mut inside = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
                }
            });
        }
    });
    (address.port(), authority.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_works_and_certificates_are_checked() {
    let server = Server::start(&[]);
    let (port, authority) = tls_before(server.port).await;
    let config = by_url(format!("rediss://localhost:{port}"));
    let trusting = connect_trusting(
        &config,
        Some(authority.into_bytes()),
        Arc::new(SystemClock),
        &TaskTracker::new(),
    );
    works(&trusting).await;
    let distrustful = store_of(&config);
    assert!(
        distrustful.ping().await.is_err(),
        "the machine does not know this authority"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_name_the_master() {
    let master = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sentinel.conf");
    let watch = format!("sentinel monitor main 127.0.0.1 {} 1\n", master.port);
    std::fs::write(&file, watch).unwrap();
    let sentinel = Server::start_with_file(&file, &["--sentinel"]);
    let config = RedisConfig {
        host: None,
        sentinel_nodes: vec![
            ("127.0.0.1".to_owned(), free_port()),
            ("127.0.0.1".to_owned(), sentinel.port),
        ],
        service_name: Some("main".to_owned()),
        ..config_at(0)
    };
    works(&store_of(&config)).await;
}

async fn cluster() -> (Vec<Server>, RedisConfig) {
    let nodes: Vec<Server> = (0..2)
        .map(|_| Server::start(&["--cluster-enabled", "yes"]))
        .collect();
    let (first, second) = (&nodes[0], &nodes[1]);
    for (node, slots) in [(first, 0..8192), (second, 8192..16_384)] {
        let slots: Vec<String> = slots.map(|slot: u16| slot.to_string()).collect();
        let mut words = vec!["CLUSTER", "ADDSLOTS"];
        words.extend(slots.iter().map(String::as_str));
        node.command(&words).await;
    }
    let port = second.port.to_string();
    first
        .command(&["CLUSTER", "MEET", "127.0.0.1", &port])
        .await;
    for node in &nodes {
        eventually("the cluster is whole", async || {
            let info = node.command(&["CLUSTER", "INFO"]).await;
            let info: String = redis::from_redis_value(info).unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        })
        .await;
    }
    let config = RedisConfig {
        host: None,
        cluster_nodes: vec![("127.0.0.1".to_owned(), first.port)],
        ..config_at(0)
    };
    (nodes, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_works_wherever_the_keys_lie() {
    let (_nodes, config) = cluster().await;
    for namespace in ["a", "b", "c", "d"] {
        let config = RedisConfig {
            namespace: Some(namespace.to_owned()),
            ..config.clone()
        };
        works(&store_of(&config)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_begin_alike_expire_and_hold_no_secret() {
    let mut world = World::in_redis();
    let config = RedisConfig {
        namespace: Some("prod".to_owned()),
        password: None,
        ..config_at(world.server().port)
    };
    let store = store_of(&config);
    take(&store, &rpm("rpm:deployment:a", 9)).await;
    take(&store, &gauge("parallel:deployment:a", 9)).await;
    works(&store).await;
    let server = world.server();
    let Value::Array(names) = server.command(&["KEYS", "switchyard:prod:*"]).await else {
        panic!("a list of names");
    };
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let name: String = redis::from_redis_value(name).unwrap();
        let left: i64 = redis::from_redis_value(server.command(&["PTTL", &name]).await).unwrap();
        assert!(left > 0, "{name} never expires");
    }
}
