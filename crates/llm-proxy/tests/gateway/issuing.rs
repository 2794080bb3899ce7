//! An identity provider, and the keys that it signs with.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use llm_governance::identity::TokenRules;
use llm_proxy::settings::{Issuer, Tokens};
use serde_json::{Value, json};

use crate::support::*;

/// An identity provider on the loopback interface.
pub(crate) struct Provider {
    pub(crate) server: Vendor,
    pub(crate) state: Arc<State>,
}

#[derive(Default)]
pub(crate) struct State {
    keys: Mutex<BTreeMap<String, Value>>,
    /// What it answers instead of its keys.
    instead: Mutex<Option<(u16, String)>>,
    asked: AtomicUsize,
}

/// A key that signs.
pub(crate) struct Signer {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
}

impl Signer {
    pub(crate) fn ecdsa(id: &str) -> Self {
        Self::on_curve(id, Algorithm::ES256, &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    fn on_curve(id: &str, algorithm: Algorithm, curve: &'static EcdsaSigningAlgorithm) -> Self {
        let pair = EcdsaKeyPair::generate(curve).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        Self::new(id, algorithm, EncodingKey::from_ec_der(der.as_ref()))
    }

    pub(crate) fn new(id: &str, algorithm: Algorithm, key: EncodingKey) -> Self {
        Self {
            id: id.to_owned(),
            algorithm,
            key,
        }
    }

    /// One of each algorithm that two keys have, named after it.
    pub(crate) fn of_each_algorithm() -> Vec<Self> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let rsa = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let ed = Ed25519KeyPair::generate().unwrap();
        let ed = EncodingKey::from_ed_der(ed.to_pkcs8v1().unwrap().as_ref());
        let mut all = vec![
            Self::ecdsa(&format!("{ES256:?}")),
            Self::on_curve(
                &format!("{ES384:?}"),
                ES384,
                &ECDSA_P384_SHA384_FIXED_SIGNING,
            ),
            Self::new(&format!("{EdDSA:?}"), EdDSA, ed),
        ];
        for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512] {
            all.push(Self::new(&format!("{algorithm:?}"), algorithm, rsa.clone()));
        }
        all
    }

    pub(crate) fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.id.clone()),
            ..Header::new(self.algorithm)
        };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

impl Provider {
    pub(crate) async fn with(keys: &[&Signer]) -> Self {
        let state = Arc::new(State::default());
        for key in keys {
            state.publish(key);
        }
        let seen = Arc::clone(&state);
        let server = Vendor::answering(move |_| {
            seen.asked.fetch_add(1, Ordering::SeqCst);
            if let Some((status, body)) = seen.instead.lock().unwrap().clone() {
                return reply(status, "application/json", body);
            }
            let keys: Vec<Value> = seen.keys.lock().unwrap().values().cloned().collect();
            whole(&json!({ "keys": keys }))
        })
        .await;
        Self { server, state }
    }

    pub(crate) fn tokens(&self, rules: Value) -> Tokens {
        Tokens::of(vec![Issuer {
            names: vec!["https://id.example".to_owned()],
            audiences: vec!["gateway".to_owned()],
            urls: vec![self.server.url.clone()],
            rules: serde_json::from_value::<TokenRules>(rules).unwrap(),
        }])
    }
}

impl State {
    pub(crate) fn publish(&self, key: &Signer) {
        self.keys
            .lock()
            .unwrap()
            .insert(key.id.clone(), key.public());
    }

    pub(crate) fn answers(&self, status: u16, body: &str) {
        *self.instead.lock().unwrap() = Some((status, body.to_owned()));
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
