//! A Kubernetes control plane of its own: etcd and kube-apiserver.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::net::TcpStream;

use crate::{
    Error, Output, Process, Signal,
    folder::{Folder, free_port},
    pki::{self, Authority},
    process::run,
    programs,
};

const START: Duration = Duration::from_secs(60);
/// Where Services get their addresses from; the first one is the API server's own.
const SERVICES: &str = "10.96.0.0/16";
const API_SERVICE: &str = "10.96.0.1";

/// A running etcd and kube-apiserver. They end when this is dropped.
///
/// There is nothing behind them: no controller acts on what is stored, no pod ever runs.
#[derive(Debug)]
pub struct ControlPlane {
    apiserver: Process,
    etcd: Process,
    etcd_url: String,
    authority: Authority,
    address: (Ipv4Addr, u16),
    url: String,
    kubeconfig: PathBuf,
    folder: Folder,
}

/// Where a control plane stands and who is to use it.
#[derive(Clone, Debug)]
pub struct Site {
    /// Keeps data, keys and logs; made where it is missing, and kept.
    pub folder: PathBuf,
    /// The address kubelets and pods reach the API server at; its port there is 6443.
    pub address: Ipv4Addr,
}

impl ControlPlane {
    /// Starts both on free ports of 127.0.0.1 in a private folder, which is removed with them,
    /// and waits till they answer. Needs no root.
    ///
    /// The programs are those in the folder that `KUBEBUILDER_ASSETS` names, else those that
    /// [`programs::find`] finds.
    pub async fn start() -> Result<Self, Error> {
        let address = Ipv4Addr::LOCALHOST;
        Self::start_with(Folder::private("control-plane")?, address, free_port()?).await
    }

    /// Starts both as [`ControlPlane::start`] does, in `folder`, which is kept and made where it is
    /// missing.
    pub async fn start_in(folder: &Path) -> Result<Self, Error> {
        Self::start_with(Folder::given(folder)?, Ipv4Addr::LOCALHOST, free_port()?).await
    }

    /// Starts both for a cluster with nodes: a kubelet may join, tokens of service accounts are required.
    pub async fn start_at(site: &Site) -> Result<Self, Error> {
        Self::start_with(Folder::given(&site.folder)?, site.address, 6443).await
    }

    async fn start_with(folder: Folder, address: Ipv4Addr, port: u16) -> Result<Self, Error> {
        let authority = Authority::new(&folder.path().join("pki"))?;
        let (etcd, etcd_url) = start_etcd(folder.path())?;
        let apiserver = start_apiserver(&authority, folder.path(), &etcd_url, (address, port))?;
        let url = format!("https://{address}:{port}");
        let admin = authority.client("admin", "admin", &["system:masters"])?;
        let kubeconfig = authority.kubeconfig("admin", &url, &admin)?;
        let address = (address, port);
        let plane = Self { apiserver, etcd, etcd_url, authority, address, url, kubeconfig, folder };
        plane.ready().await?;
        Ok(plane)
    }

    /// The API server's address, `https://ADDRESS:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubeconfig of its own for `user`, who belongs to `groups`.
    pub fn kubeconfig_for(&self, name: &str, user: &str, groups: &[&str]) -> Result<PathBuf, Error> {
        let client = self.authority.client(name, user, groups)?;
        self.authority.kubeconfig(name, &self.url, &client)
    }

    /// What clients of the API server trust.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The private key that signs the tokens of service accounts.
    pub fn token_key(&self) -> PathBuf {
        self.folder.path().join("pki/tokens.key")
    }

    /// Runs kubectl as the administrator and returns its standard output.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut kubectl = Command::new(program("kubectl")?);
        kubectl.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        kubectl.env("KUBECACHEDIR", self.folder.path().join("kubectl"));
        run(&kubectl, None).await
    }

    /// An error with the end of its log, if one of the two has ended.
    pub fn check(&self) -> Result<(), Error> {
        self.etcd.check()?;
        self.apiserver.check()
    }

    /// Freezes the API server: connections stay open and are taken, nothing is answered.
    pub fn pause(&self) -> Result<(), Error> {
        self.apiserver.signal(Signal::STOP)
    }

    /// Lets a frozen API server go on.
    pub fn resume(&self) -> Result<(), Error> {
        self.apiserver.signal(Signal::CONT)
    }

    /// Kills the API server (`kill -9`), and waits for its end.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.apiserver.stop(Signal::KILL, START).await.map(drop)
    }

    /// Kills the API server unless it is stopped, starts it on the same address and data, and waits till it answers.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.kill().await?;
        self.apiserver = start_apiserver(&self.authority, self.folder.path(), &self.etcd_url, self.address)?;
        self.ready().await
    }

    async fn ready(&self) -> Result<(), Error> {
        // It listens late, and asking by kubectl costs the time of the processors it needs itself.
        let address = self.url.trim_start_matches("https://");
        self.apiserver.ready(START, async || TcpStream::connect(address).await.map(drop)).await?;
        let readyz = ["get", "--raw", "/readyz"];
        self.apiserver.ready(START, async || self.kubectl(&readyz).await.map(drop)).await
    }
}

fn start_etcd(folder: &Path) -> Result<(Process, String), Error> {
    let url = format!("http://127.0.0.1:{}", free_port()?);
    let mut etcd = Command::new(program("etcd")?);
    etcd.arg("--data-dir").arg(folder.join("etcd"));
    etcd.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
    etcd.args(["--listen-peer-urls", "http://127.0.0.1:0", "--unsafe-no-fsync"]);
    let process = Process::start(&etcd, Output::File(folder.join("etcd.log")))?;
    Ok((process, url))
}

fn start_apiserver(
    authority: &Authority,
    folder: &Path,
    etcd: &str,
    (address, port): (Ipv4Addr, u16),
) -> Result<Process, Error> {
    let mut apiserver = Command::new(program("kube-apiserver")?);
    apiserver.args(["--etcd-servers", etcd, "--secure-port", &port.to_string()]);
    apiserver.args(["--service-cluster-ip-range", SERVICES, "--allow-privileged=true"]);
    apiserver.args(["--authorization-mode=Node,RBAC", "--enable-aggregator-routing=true"]);
    apiserver.arg("--kubelet-preferred-address-types=InternalIP");
    if IpAddr::from(address).is_loopback() {
        // Nothing makes ServiceAccounts here, and an API server refuses to announce 127.0.0.1.
        apiserver.args(["--bind-address", "127.0.0.1", "--endpoint-reconciler-type=none"]);
        apiserver.arg("--disable-admission-plugins=ServiceAccount");
    } else {
        apiserver.args(["--advertise-address", &address.to_string()]);
    }
    apiserver.args(identities(authority, folder, address)?);
    Process::start(&apiserver, Output::File(folder.join("kube-apiserver.log")))
}

/// Whom the API server believes, who it is itself, and what it signs tokens with.
fn identities(authority: &Authority, folder: &Path, address: Ipv4Addr) -> Result<Vec<String>, Error> {
    let address = address.to_string();
    let server = authority.server(
        "kube-apiserver",
        &[
            "localhost",
            "127.0.0.1",
            &address,
            API_SERVICE,
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ],
    )?;
    let kubelet = authority.client("apiserver-kubelet", "kube-apiserver", &["system:masters"])?;
    let proxy = authority.client("front-proxy", "front-proxy", &[])?;
    let (token_private, token_public) = pki::key_pair(&folder.join("pki"), "tokens")?;
    let files = [
        ("client-ca-file", authority.certificate()),
        ("tls-cert-file", server.certificate),
        ("tls-private-key-file", server.key),
        ("kubelet-client-certificate", kubelet.certificate),
        ("kubelet-client-key", kubelet.key),
        ("proxy-client-cert-file", proxy.certificate),
        ("proxy-client-key-file", proxy.key),
        ("requestheader-client-ca-file", authority.certificate()),
        ("service-account-key-file", token_public),
        ("service-account-signing-key-file", token_private),
    ];
    let mut flags: Vec<String> = files.iter().map(|(flag, file)| format!("--{flag}={}", file.display())).collect();
    flags.extend([
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        // Without it every holder of a client certificate could speak for anybody.
        "--requestheader-allowed-names=front-proxy".into(),
        "--requestheader-username-headers=X-Remote-User".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
    ]);
    Ok(flags)
}

/// The program of envtest's that the developer has, else the one `cargo xtask` has got.
fn program(name: &str) -> Result<PathBuf, Error> {
    match env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
        Some(folder) => fs::canonicalize(Path::new(&folder).join(name))
            .map_err(Error::io(format!("KUBEBUILDER_ASSETS has no {name}"))),
        None => programs::find(name),
    }
}
