"""The development PKI: a root, an issuing CA, server and device certificates, and CRLs.

`CertificateAuthority` works in memory; `PkiFolder` keeps one PKI in a folder. Not for production:
its keys lie unencrypted on the disk.
"""
