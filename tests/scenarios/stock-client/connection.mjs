// The unchanged client of Hyperledger Fabric, connected to the user's gateway. Settings come from the environment, with the
// names that the field's command line uses.

import * as grpc from '@grpc/grpc-js';
import { connect, hash, signers } from '@hyperledger/fabric-gateway';
import * as crypto from 'node:crypto';
import { promises as fs } from 'node:fs';
import * as path from 'node:path';

export const need = (name) => {
    const value = process.env[name];
    if (!value) throw new Error(`environment variable ${name} is not set`);
    return value;
};
const only = async (folder) => {
    const names = await fs.readdir(folder);
    if (names.length !== 1) throw new Error(`${folder} holds ${names.length} files, one is expected`);
    return fs.readFile(path.join(folder, names[0]));
};
const deadline = (ms) => () => ({ deadline: Date.now() + ms });

// The channel's network, and what closes the connection.
export const open = async () => {
    const msp = need('CORE_PEER_MSPCONFIGPATH');
    const tls = grpc.credentials.createSsl(
        await fs.readFile(need('CORE_PEER_TLS_ROOTCERT_FILE')),
        await fs.readFile(need('CORE_PEER_TLS_CLIENTKEY_FILE')),
        await fs.readFile(need('CORE_PEER_TLS_CLIENTCERT_FILE')),
    );
    const client = new grpc.Client(need('CORE_PEER_ADDRESS'), tls);
    const key = crypto.createPrivateKey(await only(path.join(msp, 'keystore')));
    const gateway = connect({
        client,
        identity: { mspId: need('CORE_PEER_LOCALMSPID'), credentials: await only(path.join(msp, 'signcerts')) },
        signer: signers.newPrivateKeySigner(key),
        // Ed25519 signs the message itself, as its users of this library must say.
        hash: key.asymmetricKeyType === 'ed25519' ? hash.none : hash.sha256,
        evaluateOptions: deadline(10_000),
        endorseOptions: deadline(20_000),
        submitOptions: deadline(20_000),
        commitStatusOptions: deadline(60_000),
    });
    const close = () => {
        gateway.close();
        client.close();
    };
    return { network: gateway.getNetwork(need('CORE_CHANNEL')), close };
};
