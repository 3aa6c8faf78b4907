//! Where Redis is: one server, a group that sentinels watch, or a cluster; and a connection to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode, Value,
};

use super::failure::Failure;
use crate::config::RedisConfig;

/// The longest a connection may take to be ready. Only the task that tends the connection waits for it.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// A connection; clones share it.
#[derive(Clone)]
pub(super) enum Wire {
    /// To one server.
    Single(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "Single",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl Wire {
    /// Sends one command and returns the answer to it.
    pub(super) async fn ask(&mut self, command: &Cmd) -> Result<Value, Failure> {
        let answer = match self {
            Self::Single(connection) => command.query_async::<Value>(connection).await,
            Self::Cluster(connection) => command.query_async::<Value>(connection).await,
        };
        answer.and_then(Value::extract_error).map_err(Failure::from)
    }

    /// Sends one command to the master of a slot.
    pub(super) async fn ask_slot(&mut self, command: &Cmd, slot: u16) -> Result<Value, Failure> {
        match self {
            Self::Single(_) => self.ask(command).await,
            Self::Cluster(connection) => {
                let master = Route::new(slot, SlotAddr::Master);
                let node = SingleNodeRoutingInfo::SpecificNode(master);
                connection
                    .route_command(command.clone(), RoutingInfo::SingleNode(node))
                    .await
                    .and_then(Value::extract_error)
                    .map_err(Failure::from)
            }
        }
    }
}

/// Where Redis is.
pub(super) enum Place {
    /// One server.
    Single(Box<Client>),
    /// A master that sentinels know.
    Sentinels(Sentinels),
    /// A cluster.
    Cluster(Box<ClusterClient>),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "Single",
            Self::Sentinels(_) => "Sentinels",
            Self::Cluster(_) => "Cluster",
        })
    }
}

/// What is needed to ask sentinels for a master.
pub(super) struct Sentinels {
    nodes: Vec<ConnectionAddr>,
    service: String,
    password: Option<String>,
    server: RedisConnectionInfo,
    tls: bool,
}

impl Place {
    /// Reads where Redis is. `root`: an authority in PEM that is believed in the place of the machine's.
    ///
    /// # Errors
    ///
    /// What cannot be read, without credentials.
    pub(super) fn new(config: &RedisConfig, root: Option<Vec<u8>>) -> Result<Self, String> {
        let certificates = root.map(|root| TlsCertificates {
            client_tls: None,
            root_cert: Some(root),
        });
        let info = Self::info(config)?;
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if !config.sentinel_nodes.is_empty() {
            let service = config.service_name.clone();
            return Ok(Self::Sentinels(Sentinels {
                nodes: addresses(&config.sentinel_nodes, is_tls),
                service: service.ok_or("`sentinel_nodes` needs `service_name`")?,
                password: exposed(config.sentinel_password.as_ref()),
                server: info.redis_settings().clone(),
                tls: is_tls,
            }));
        }
        if !config.cluster_nodes.is_empty() {
            let nodes = addresses(&config.cluster_nodes, is_tls)
                .into_iter()
                .map(|address| info.clone().set_addr(address));
            // The client follows redirections; whether to try again at all is decided above it.
            let mut builder = ClusterClient::builder(nodes)
                .retries(2)
                .connection_timeout(CONNECT_WITHIN)
                .response_timeout(CONNECT_WITHIN);
            if is_tls {
                builder = builder.tls(TlsMode::Secure);
            }
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            let cluster = builder.build().map_err(|error| unreadable(error.into()))?;
            return Ok(Self::Cluster(Box::new(cluster)));
        }
        let client = match certificates {
            Some(certificates) if is_tls => Client::build_with_tls(info, certificates),
            _ => Client::open(info),
        };
        let client = client.map_err(|error| unreadable(error.into()))?;
        Ok(Self::Single(Box::new(client)))
    }

    /// Reads the address and who signs in; `redis_url` wins over the parts.
    fn info(config: &RedisConfig) -> Result<ConnectionInfo, String> {
        if let Some(url) = &config.url {
            return url
                .expose()
                .into_connection_info()
                .map_err(|error| unreadable(error.into()));
        }
        let has_nodes = !config.cluster_nodes.is_empty() || !config.sentinel_nodes.is_empty();
        let host = match &config.host {
            Some(host) => host.clone(),
            // Only who signs in and whether by TLS matters: the nodes say where.
            None if has_nodes => "localhost".to_owned(),
            None => return Err("neither `redis_url` nor `redis_host` is set".to_owned()),
        };
        let mut server = RedisConnectionInfo::default().set_db(i64::from(config.database));
        if let Some(username) = &config.username {
            server = server.set_username(username);
        }
        if let Some(password) = &config.password {
            server = server.set_password(password.expose());
        }
        address(host, config.port, config.tls)
            .into_connection_info()
            .map(|info| info.set_redis_settings(server))
            .map_err(|error| unreadable(error.into()))
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Wire, Failure> {
        let connected = async {
            match self {
                Self::Single(client) => single(client).await,
                Self::Sentinels(sentinels) => single(&sentinels.master().await?).await,
                Self::Cluster(client) => {
                    let connection = client.get_async_connection().await?;
                    Ok(Wire::Cluster(connection))
                }
            }
        };
        match tokio::time::timeout(CONNECT_WITHIN, connected).await {
            Ok(connected) => connected.map_err(Failure::from),
            Err(_) => Err(Failure::Lost(format!(
                "no connection within {} s",
                CONNECT_WITHIN.as_secs()
            ))),
        }
    }
}

impl Sentinels {
    /// Asks the sentinels who the master is, one after the other.
    async fn master(&self) -> RedisResult<Client> {
        let mut builder = SentinelClientBuilder::new(
            self.nodes.iter().cloned(),
            &self.service,
            SentinelServerType::Master,
        )?
        .set_client_to_redis_db(self.server.db());
        if let Some(username) = self.server.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = self.server.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if self.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        builder.build()?.async_get_client().await
    }
}

async fn single(client: &Client) -> RedisResult<Wire> {
    // Answers are waited for above, where what is late also opens the breaker.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(None);
    let connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    Ok(Wire::Single(connection))
}

fn addresses(nodes: &[(String, u16)], tls: bool) -> Vec<ConnectionAddr> {
    nodes
        .iter()
        .map(|(host, port)| address(host.clone(), *port, tls))
        .collect()
}

fn address(host: String, port: u16, tls: bool) -> ConnectionAddr {
    if tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn exposed(secret: Option<&crate::config::Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}

/// The address cannot be read. It may hold a password, so it is not repeated.
fn unreadable(failure: Failure) -> String {
    let (Failure::Lost(why) | Failure::Refused(why)) = failure else {
        return "the address of Redis cannot be read".to_owned();
    };
    format!("the address of Redis cannot be read: {why}")
}

/// Names the library that TLS uses. Where the program has named one already, that one stays.
pub(super) fn choose_tls() {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    if let Err(chosen) = provider.install_default() {
        drop::<Arc<_>>(chosen);
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
