//! Asks a running gateway for its health.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use llm_providers::resolve::Surroundings;

/// What `/health` of the gateway at `host` says.
pub(crate) fn health(host: &str, port: u16, around: &dyn Surroundings) -> Result<String> {
    let host = if host == "0.0.0.0" { "127.0.0.1" } else { host };
    let mut socket = TcpStream::connect((host, port))
        .with_context(|| format!("no gateway answers on {host}:{port}"))?;
    socket.set_read_timeout(Some(Duration::from_secs(120)))?;
    let key = ["INTERLINGUA_MASTER_KEY", "LITELLM_MASTER_KEY"]
        .iter()
        .find_map(|name| around.var(name));
    let key = key.map_or_else(String::new, |key| {
        format!("authorization: Bearer {key}\r\n")
    });
    write!(
        socket,
        "GET /health HTTP/1.1\r\nhost: {host}\r\n{key}connection: close\r\n\r\n"
    )?;
    let mut reply = String::new();
    socket.read_to_string(&mut reply)?;
    let Some((_, body)) = reply.split_once("\r\n\r\n") else {
        bail!("what answers on {host}:{port} is no gateway");
    };
    let body: serde_json::Value = serde_json::from_str(body)
        .with_context(|| format!("what answers on {host}:{port} is no gateway"))?;
    Ok(serde_json::to_string_pretty(&body)?)
}
