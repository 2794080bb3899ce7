//! What a gateway says when it starts.

use std::{fmt::Write, net::SocketAddr};

use crate::{cli::Args, settings::Settings};

/// Deployments that are listed by name, at most.
const LISTED: usize = 40;

/// Where it answers, for which models, and a first call that works.
pub(crate) fn text(settings: &Settings, address: SocketAddr, args: &Args) -> String {
    let scheme = if settings.listen.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let mut shown = address;
    if shown.ip().is_unspecified() {
        shown.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let mut out = format!(
        "\nInterlingua {} on {scheme}://{address}\n\n",
        env!("CARGO_PKG_VERSION")
    );
    models(&mut out, settings, args.config.is_some());
    let first = settings.default_model.as_deref().or_else(|| {
        let mut plain = settings
            .deployments
            .iter()
            .filter(|d| !d.group.contains('*'));
        plain.next().map(|deployment| deployment.group.as_str())
    });
    let key = if settings.master_key.is_some() {
        " -H \"Authorization: Bearer $LITELLM_MASTER_KEY\""
    } else {
        ""
    };
    if let Some(model) = first {
        let body = serde_json::json!({
            "model": model, "messages": [{"role": "user", "content": "Hello"}],
        });
        let _ = write!(
            out,
            "\nTry it:\n  curl {scheme}://{shown}{}/v1/chat/completions{key} -d '{body}'\n",
            settings.root_path
        );
    }
    if settings.master_key.is_none() {
        let who = if address.ip().is_loopback() {
            "only this machine is served"
        } else {
            "anyone is served"
        };
        let _ = writeln!(out, "\nNo master key is set: {who}, and any key is taken.");
    } else if settings.master_key_is_weak() {
        let _ = writeln!(
            out,
            "\nThe master key is one that every tutorial prints: set another before anyone else can reach this."
        );
    }
    if settings.master_key.is_some() {
        let _ = writeln!(out, "\n{}", settings.database.shown());
    }
    network(&mut out, settings);
    for notice in &settings.notices {
        let _ = writeln!(out, "note: {notice}");
    }
    out
}

/// What stands between the gateway and the vendors that nobody should learn from an incident.
fn network(out: &mut String, settings: &Settings) {
    let transport = &settings.transport;
    if !transport.verify {
        let _ = writeln!(
            out,
            "note: certificates of vendors are not verified (ssl_verify): whoever sits in between reads every key and \
             every prompt"
        );
    }
    for (scheme, address) in transport.proxies.shown() {
        let _ = writeln!(
            out,
            "note: vendors are called through the forward proxy {address} ({scheme})"
        );
    }
}

fn models(out: &mut String, settings: &Settings, configured: bool) {
    // Scripts wait for this line.
    let _ = writeln!(
        out,
        "{}",
        if configured {
            "Interlingua: Proxy initialized with Config, Set models:"
        } else {
            "Serving:"
        }
    );
    let mut seen: Vec<&str> = Vec::new();
    for deployment in &settings.deployments {
        if seen.contains(&deployment.group.as_str()) {
            continue;
        }
        seen.push(&deployment.group);
        if configured || seen.len() <= LISTED {
            let _ = writeln!(out, "    {}", deployment.group);
        }
    }
    if !configured && seen.len() > LISTED {
        let _ = writeln!(out, "    and {} more", seen.len() - LISTED);
    }
}
