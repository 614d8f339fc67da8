/** What the layer wrote once, in version 1 of its format: its keys, and a session. Never to be made anew. */
import type { Commit } from "../../src/store/store.ts";

export const FROZEN_MASTER = { id: "frozen-1", key: "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=" };

export const FROZEN: { readonly keys: readonly Commit[]; readonly sessions: readonly Commit[] } = {
  keys: [
    {
      sessionId: "index",
      expectedVersion: 0,
      entries: [
        {
          seq: 1,
          id: "#1",
          type: "session.created",
          at: 1795210997388,
          commit: "bkLFJI9_JzzUT4aq",
          data: {
            id: "index",
            namespace: "holdfast!keys",
            kind: "session",
            userId: "index",
            agent: "frozen-1",
            metadata: {
              key: "index",
              session: "",
              wrapped: "AeLjK2t4kaYaes9yaZsOBjvJ4eFtiiObYZMz8wP7+LSOsHBP1/KjHstbll15kih8fHSszIRBNU7XCilSEQ==",
            },
            dataVersion: 1,
          },
        },
      ],
      record: {
        id: "index",
        namespace: "holdfast!keys",
        kind: "session",
        userId: "index",
        agent: "frozen-1",
        dataVersion: 1,
        messageCount: 0,
        data: {},
        dataByRoute: {},
        routeHistory: [],
        state: {},
        version: 1,
        seq: 1,
        lineage: [],
        status: "active",
        usage: {
          inputTokens: 0,
          outputTokens: 0,
          totalTokens: 0,
        },
        metadata: {
          key: "index",
          session: "",
          wrapped: "AeLjK2t4kaYaes9yaZsOBjvJ4eFtiiObYZMz8wP7+LSOsHBP1/KjHstbll15kih8fHSszIRBNU7XCilSEQ==",
        },
        createdAt: 1795210997388,
        updatedAt: 1795210997388,
      },
    },
    {
      sessionId: "mw1rJw5kvv3t",
      expectedVersion: 0,
      entries: [
        {
          seq: 1,
          id: "#1",
          type: "session.created",
          at: 1795210997390,
          commit: "5dO5nC2-sqJzwKSa",
          data: {
            id: "mw1rJw5kvv3t",
            namespace: "holdfast!keys",
            kind: "session",
            userId: "_7MEgWoQkDE-gzIVwI2uPSCc-tH_0fZ08JCaKumeE5Q",
            agent: "frozen-1",
            metadata: {
              key: "mw1rJw5kvv3t",
              session: "frozen",
              wrapped: "AddKKf6D8BjJgO3Vg4aiV6CWOf6+QNtD0WpuHRURT81nEX9bJFo9jRXmPw7/jXNhsWoaM8gJqkHy2Kwspg==",
            },
            dataVersion: 1,
          },
        },
      ],
      record: {
        id: "mw1rJw5kvv3t",
        namespace: "holdfast!keys",
        kind: "session",
        userId: "_7MEgWoQkDE-gzIVwI2uPSCc-tH_0fZ08JCaKumeE5Q",
        agent: "frozen-1",
        dataVersion: 1,
        messageCount: 0,
        data: {},
        dataByRoute: {},
        routeHistory: [],
        state: {},
        version: 1,
        seq: 1,
        lineage: [],
        status: "active",
        usage: {
          inputTokens: 0,
          outputTokens: 0,
          totalTokens: 0,
        },
        metadata: {
          key: "mw1rJw5kvv3t",
          session: "frozen",
          wrapped: "AddKKf6D8BjJgO3Vg4aiV6CWOf6+QNtD0WpuHRURT81nEX9bJFo9jRXmPw7/jXNhsWoaM8gJqkHy2Kwspg==",
        },
        createdAt: 1795210997390,
        updatedAt: 1795210997390,
      },
    },
  ],
  sessions: [
    {
      sessionId: "frozen",
      expectedVersion: 0,
      entries: [
        {
          seq: 1,
          id: "#1",
          type: "session.created",
          data: {
            id: "frozen",
            namespace: "",
            kind: "session",
            userId: "u",
            label: "BEP69Coz-dgDmmDHtP8DNQ",
            metadata: {
              bp9kldkhJSNspJCgsGqYQg: "SvAsE95POlAo_fpT0rjBfQ",
            },
            dataVersion: 1,
            base: {
              messageCount: 0,
              data: {},
              dataByRoute: {},
              routeHistory: [],
              state: {
                created:
                  "AZsNaycOZL797S3lninI595yQA8ScAiHdPZGtV6oOdc1kbd1gOjjJjJhj/ISZiddPXSIsY44yJ5fRh2GvuAvRfbLXZizrISPAIH4yWNvvGrO0e8UgtBfc/Rntl2ZsKmofNnlT6FB/B4mo9c2dDknr+Imo2PkL8ZC+WBECAoplaasXwjj6xzKBXTwUjseLJDuwDSSRQO0GggZmOBxXbGyAdhFQj7zpg==",
              },
            },
          },
          at: 1700000000000,
          commit: "t76ULYThhVMB1UJQ",
        },
        {
          seq: 2,
          id: "m1",
          type: "x.sealed.message",
          data: {
            sealed:
              "AZsNaycOZL797TDunXi7YTOGhB051Gv+vU/dalJOF69alAqotEMAKc4ErWnq+cl7FnK5I1p0MVkXyozuxgI4HnBiK+bi3hn7hTQSSezwrAD4ZsiET3KcABAADL5/Lg==",
          },
          at: 1700000000000,
        },
        {
          seq: 3,
          id: "#3",
          type: "x.note",
          data: {
            sealed:
              "AZsNaycOZL797Sf9OT1X4wBM+dC5JlBwQzCoDeun6LS+CfgeoND0zpfTrEAkc9ToLN5WaNgVvm4ZNg05/JvXR+yjC/VgiH393blnvtB+8baAv1nueovOow55gXNXUIbKAETPlWsDzwBW9UQEgXoVE+KSooKFBqEQxifScrwPqy7fH8nElG23S0uEsgSNuw==",
          },
          at: 1700000000000,
        },
        {
          seq: 4,
          id: "#4",
          type: "x.sealed.state.set",
          data: {
            sealed:
              "AZsNaycOZL797crgY1FlnQ9B0K2inOZt9i2NPNJA9Hl62cwNsdFT8DZ8Dd9/e328H4u5yJQOtdSadLPAvEA7A+xl3S0vAOFLTPJmHA3Ywc2DMHDtr1JiMJhFogQ=",
          },
          at: 1700000000000,
        },
      ],
      record: {
        id: "frozen",
        namespace: "",
        version: 1,
        seq: 4,
        kind: "session",
        lineage: [],
        userId: "u",
        label: "BEP69Coz-dgDmmDHtP8DNQ",
        status: "active",
        messageCount: 0,
        data: {},
        dataByRoute: {},
        routeHistory: [],
        state: {
          sealed:
            "AZsNaycOZL797TG02FQ4qNcF628H7vJN2/+Yv0njuD9iI8Q/kjuDjnuTKT9qeAj2tW3QZZ9F4jtm+YCBaw+DJg4MTOEaGbbj3RhrzlBV8531lXoVSntT/87PaB40KoGGEnikkZ2ERdC4ucVzDTQLe9Gou14/Xn73VlzX1K1SjztNNlBYcJEJPGPbN6Zk7KN5Ay5HPMOz6Wuk3bQfmnuoPnFQu9tHr+YiFtM50QpANuVefyevGo7RZtpvAJd6dk5QaE82bx8XglFpPYqfh1xG0GXjBrmxe/FO7bG9+csPO7wEwNDM9h1E9VRCgNR3PN6HLTT9SQvUyFFV7v+6S55HV9C909NkvUQwTEinhOefGA==",
        },
        usage: {
          inputTokens: 0,
          outputTokens: 0,
          totalTokens: 0,
        },
        metadata: {
          bp9kldkhJSNspJCgsGqYQg: "SvAsE95POlAo_fpT0rjBfQ",
        },
        dataVersion: 1,
        createdAt: 1700000000000,
        updatedAt: 1700000000000,
      },
    },
  ],
};
