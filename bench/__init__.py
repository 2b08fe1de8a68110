"""The gateway's data plane beside other reverse proxies: same machine, client, upstream and PKI."""
