# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the store dictionary, and of what goes with it.

``OPTIONS`` in ``module_utils/_stores/options.py`` and ``value_spec`` in ``module_utils/_module/stores.py`` are its other
half.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  store:
    description:
      - Where the values of keys are kept. Each value goes from Honeycomb's answer to its place within the module's own process, is read back,
        and is not returned.
      - In every text that names a place, V({name}), V({environment}) and V({key_type}) are filled in for each key, with its name, the slug of
        its environment and its type.
      - The options apply to the types that are named with them; giving another one is an error.
    type: dict
    suboptions:
      type:
        description:
          - V(file) is a file on the host that runs the task.
          - V(ansible_vault) is a file that Ansible Vault encrypts, or a single encrypted value in a YAML file.
          - V(hashi_vault) is a field of a secret of HashiCorp Vault or OpenBao, in a key-value engine of version 2. Requires C(hvac).
          - V(aws_secretsmanager) is a secret of AWS Secrets Manager, or a member of one. Requires C(boto3).
          - V(kubernetes) is an entry of a Secret of Kubernetes. Requires C(kubernetes).
          - V(command) is any program. The value goes in by standard input and comes out by standard output.
        type: str
        required: true
        choices:
          - file
          - ansible_vault
          - hashi_vault
          - aws_secretsmanager
          - kubernetes
          - command
      path:
        description:
          - For V(file) and V(ansible_vault), the absolute path of the file. Missing folders are created, readable by their owner only.
          - For V(hashi_vault), the path of the secret within O(store.mount).
          - For O(store.preset=pass), the name in the password store. For the other presets, the path of the file.
        type: str
      format:
        description:
          - How the value is written into a file. With V(plain), which is the default, the value is the whole file.
          - With V(env), V(json) or V(yaml), it is the O(store.entry) of a file in that format, and everything else in the file is kept.
          - Applies to V(file), V(ansible_vault) and O(store.preset=sops).
        type: str
        choices:
          - plain
          - env
          - json
          - yaml
      entry:
        description:
          - The variable of an V(env) file, or the path of keys in a V(json) or V(yaml) file, with dots in between. A dot that
            belongs to a key needs a backslash before it.
          - For O(store.preset=systemd_creds), the name of the credential, by default that of the file.
        type: str
      owner:
        description: The owner of a file. Applies to V(file), V(ansible_vault) and the presets that write files.
        type: str
      group:
        description: The group of a file, as O(store.owner).
        type: str
      mode:
        description:
          - The mode of the file, as an octal number in quotes. By default, a new file gets V(0600), and an existing one keeps its own.
        type: raw
      vault_id:
        description:
          - For V(ansible_vault), V(LABEL@SOURCE), where the source is a file that holds the password, or a program that prints it.
          - If not set, the environment variable E(ANSIBLE_VAULT_IDENTITY) is used.
        type: str
      vault_password_file:
        description:
          - For V(ansible_vault), a file that holds the password, or a program that prints it.
          - If not set, the environment variable E(ANSIBLE_VAULT_PASSWORD_FILE) is used.
        type: str
      url:
        description:
          - For V(hashi_vault), the address of the server.
          - If not set, the environment variable E(VAULT_ADDR) is used, else E(BAO_ADDR).
        type: str
      mount:
        description: For V(hashi_vault), where the key-value engine is mounted. By default V(secret).
        type: str
      field:
        description:
          - For V(hashi_vault), the field of the secret, by default V(value).
          - For V(aws_secretsmanager), the member of a secret that is a JSON object. Without it, the value is the whole secret.
          - For V(kubernetes), the entry of the Secret. Required there.
        type: str
      namespace:
        description:
          - For V(hashi_vault), the namespace. If not set, the environment variable E(VAULT_NAMESPACE) is used, else
            E(BAO_NAMESPACE).
          - For V(kubernetes), the namespace of the Secret. Required there.
        type: str
      auth_method:
        description: For V(hashi_vault), how to log in. By default V(token).
        type: str
        choices:
          - token
          - approle
          - jwt
          - kubernetes
      auth_mount:
        description: For V(hashi_vault), where the method is mounted. By default, the name of the method.
        type: str
      token:
        description:
          - For O(store.auth_method=token), the token.
          - If not set, the environment variable E(VAULT_TOKEN) is used, else E(BAO_TOKEN).
        type: str
      role_id:
        description:
          - For O(store.auth_method=approle), the id of the role.
          - If not set, the environment variable E(VAULT_ROLE_ID) is used.
        type: str
      role_secret_id:
        description:
          - For O(store.auth_method=approle), the secret id of the role.
          - If not set, the environment variable E(VAULT_SECRET_ID) is used.
        type: str
      role:
        description:
          - For O(store.auth_method=jwt) and O(store.auth_method=kubernetes), the role.
          - If not set, the environment variable E(VAULT_ROLE) is used.
        type: str
      jwt:
        description:
          - For O(store.auth_method=jwt), the signed token of another party.
          - If not set, the environment variable E(VAULT_JWT) is used.
        type: str
      ca_path:
        description:
          - For V(hashi_vault), a file or folder of certificates of authorities to trust.
          - If not set, the environment variable E(VAULT_CACERT) is used, else E(BAO_CACERT).
        type: str
      validate_certs:
        description: For V(hashi_vault), whether to check certificates. By default V(true).
        type: bool
      secret_id:
        description: For V(aws_secretsmanager), the name or ARN of the secret. Required there.
        type: str
      region:
        description:
          - For V(aws_secretsmanager), the region.
          - If not set, the environment variable E(AWS_REGION) is used, else E(AWS_DEFAULT_REGION), else the profile's.
        type: str
      profile:
        description:
          - For V(aws_secretsmanager), the profile. Credentials are found the way every program of AWS finds them.
          - If not set, the environment variable E(AWS_PROFILE) is used.
        type: str
      endpoint_url:
        description:
          - For V(aws_secretsmanager), another address of the service.
          - If not set, the environment variable E(AWS_ENDPOINT_URL_SECRETS_MANAGER) is used, else E(AWS_ENDPOINT_URL).
        type: str
      kms_key_id:
        description: For V(aws_secretsmanager), the key that encrypts the secret, where the task creates it.
        type: str
      secret:
        description: For V(kubernetes), the name of the Secret. Required there.
        type: str
      kubeconfig:
        description:
          - For V(kubernetes), the configuration of the client. Within a cluster, that of the pod is used where there is none.
          - If not set, the environment variable E(KUBECONFIG) is used.
        type: str
      context:
        description: For V(kubernetes), the context within the configuration.
        type: str
      preset:
        description:
          - For V(command), a program whose commands are known. V(pass) is the password store, V(sops) encrypts files with SOPS, and
            V(systemd_creds) encrypts them as credentials of systemd.
        type: str
        choices:
          - pass
          - sops
          - systemd_creds
      write:
        description:
          - For V(command), a program and its arguments. It reads a value from standard input and makes it the live one.
          - Required without O(store.preset).
        type: list
        elements: str
      read:
        description:
          - For V(command), a program and its arguments. It writes the live value to standard output, and nothing where there is none.
          - Required without O(store.preset).
        type: list
        elements: str
      write_pending:
        description:
          - For V(command), the same as O(store.write) for a value that is not live yet. Without it, a new value is stored only when its key is
            enabled, and a run that dies in between has to create another key.
        type: list
        elements: str
      read_pending:
        description: For V(command), the same as O(store.read) for what O(store.write_pending) wrote. Required together with it.
        type: list
        elements: str
      publish:
        description:
          - For V(command), a program and its arguments. It makes the pending value the live one. Without it, O(store.write) does.
        type: list
        elements: str
"""

    VALUES = r"""
options:
  on_missing:
    description:
      - What to do about an existing key whose value O(store) does not hold.
      - With V(fail), the task fails and says what the store holds.
      - With V(ignore), the key is left as it is. Use it for keys whose values are kept elsewhere.
      - With V(replace), a new key is created and its value stored. It gets the name, and the old key is renamed to
        C(NAME [retired TIME]) and stays enabled, since something may still use it.
    type: str
    choices:
      - fail
      - ignore
      - replace
    default: fail
  return_values:
    description: Whether to return the values of created keys although they are stored.
    type: bool
    default: false
  verify_time:
    description: How long to wait until Honeycomb accepts a new value.
    type: str
    default: 60s
"""
