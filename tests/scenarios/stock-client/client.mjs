// Creates, reads and lists assets with the unchanged client of Hyperledger Fabric, and prints what it got as one line of
// JSON. Settings come from the environment, with the names that the field's command line uses.

import * as grpc from '@grpc/grpc-js';
import { connect, hash, signers } from '@hyperledger/fabric-gateway';
import * as crypto from 'node:crypto';
import { promises as fs } from 'node:fs';
import * as path from 'node:path';

const need = (name) => {
    const value = process.env[name];
    if (!value) throw new Error(`environment variable ${name} is not set`);
    return value;
};
const only = async (folder) => {
    const names = await fs.readdir(folder);
    if (names.length !== 1) throw new Error(`${folder} holds ${names.length} files, one is expected`);
    return fs.readFile(path.join(folder, names[0]));
};

const msp = need('CORE_PEER_MSPCONFIGPATH');
const tls = grpc.credentials.createSsl(
    await fs.readFile(need('CORE_PEER_TLS_ROOTCERT_FILE')),
    await fs.readFile(need('CORE_PEER_TLS_CLIENTKEY_FILE')),
    await fs.readFile(need('CORE_PEER_TLS_CLIENTCERT_FILE')),
);
const client = new grpc.Client(need('CORE_PEER_ADDRESS'), tls);
const deadline = (ms) => () => ({ deadline: Date.now() + ms });
const gateway = connect({
    client,
    identity: { mspId: need('CORE_PEER_LOCALMSPID'), credentials: await only(path.join(msp, 'signcerts')) },
    signer: signers.newPrivateKeySigner(crypto.createPrivateKey(await only(path.join(msp, 'keystore')))),
    hash: hash.sha256,
    evaluateOptions: deadline(10_000),
    endorseOptions: deadline(20_000),
    submitOptions: deadline(20_000),
    commitStatusOptions: deadline(60_000),
});

const text = new TextDecoder();
const result = {};
try {
    const contract = gateway.getNetwork(need('CORE_CHANNEL')).getContract('asset-transfer');
    const id = `asset-${crypto.randomUUID()}`;
    const submitted = await contract.submitAsync('CreateAsset', { arguments: [id, 'blue', '5', 'Tomoko', '1300'] });
    result.created = JSON.parse(text.decode(submitted.getResult()));
    const status = await submitted.getStatus();
    result.status = {
        code: status.code,
        successful: status.successful,
        blockNumber: status.blockNumber.toString(),
        transactionId: status.transactionId,
    };
    result.read = JSON.parse(text.decode(await contract.evaluateTransaction('ReadAsset', id)));
    result.listed = JSON.parse(text.decode(await contract.evaluateTransaction('GetAllAssets'))).map((asset) => asset.ID);
    result.transferredFrom = text.decode(await contract.submitTransaction('TransferAsset', id, 'Saptha'));
    result.owner = JSON.parse(text.decode(await contract.evaluateTransaction('ReadAsset', id))).Owner;
    try {
        await contract.submitTransaction('CreateAsset', id, 'red', '1', 'Nobody', '1');
    } catch (error) {
        result.refused = { name: error.name, code: error.code, message: error.message, details: error.details };
    }
} finally {
    gateway.close();
    client.close();
}
console.log(JSON.stringify(result));
