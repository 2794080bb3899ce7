//! The gateway's own certificate, and whose others are believed.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

use crate::settings::Tls;

/// What turns a connection into a TLS session.
pub(crate) fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(|all| all.collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("--ssl_certfile_path {}", tls.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .with_context(|| format!("--ssl_keyfile_path {}", tls.key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and its key do not fit")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Believes certificates of the authorities in `file` alone.
pub(crate) fn trusting(file: &Path) -> Result<Arc<ClientConfig>> {
    let unusable = || format!("the certificates in {}", file.display());
    let mut roots = RootCertStore::empty();
    let authorities = CertificateDer::pem_file_iter(file).with_context(unusable)?;
    for authority in authorities {
        let added = roots.add(authority.with_context(unusable)?);
        added.with_context(unusable)?;
    }
    anyhow::ensure!(
        !roots.is_empty(),
        "there is no certificate in {}",
        file.display()
    );
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
