"""Hessians of MORE_CASES derived by hand; `analytic.py` compiles them."""

import math

import numpy as np


def griewank(x, H):
    n = len(x)
    product = 1.0
    g = np.empty(n)  # the product's logarithmic derivative
    for i in range(n):
        scale = 1.0 / math.sqrt(i + 1.0)
        cosine = math.cos(scale * x[i])
        g[i] = scale * math.sin(scale * x[i]) / cosine
        product *= cosine
    for i in range(n):
        for j in range(n):
            H[i, j] = -product * g[i] * g[j]
        H[i, i] = 1.0 / 2000.0 + product / (i + 1.0)


def levy(x, H):
    """(d² q)'' = 2 q + 4 d q' + d² q'', with sin² z = (1 - cos 2z) / 2."""
    H[:] = 0.0
    n = len(x)
    for i in range(n):
        d = 0.25 * (x[i] - 1.0)
        if i < n - 1:
            height, w, phase = 10.0, 2.0 * math.pi, 2.0
        else:
            height, w, phase = 1.0, 4.0 * math.pi, 0.0
        cosine, sine = math.cos(w * (1.0 + d) + phase), math.sin(w * (1.0 + d) + phase)
        q = 1.0 + 0.5 * height * (1.0 - cosine)
        H[i, i] = (2.0 * q + 0.5 * height * w * d * (4.0 * sine + d * w * cosine)) / 16.0
    H[0, 0] += 0.125 * math.pi * math.pi * math.cos(2.0 * math.pi * (1.0 + 0.25 * (x[0] - 1.0)))


def michalewicz(x, H):
    H[:] = 0.0
    for i in range(len(x)):
        bend = 2.0 * (i + 1.0) / math.pi
        slope = bend * x[i]
        angle = 0.5 * slope * x[i]
        s, c = math.sin(angle), math.cos(angle)
        s2 = s * s
        s4 = s2 * s2
        s8 = s4 * s4
        s18 = s8 * s8 * s2
        ridge = s18 * s2
        ridge_1 = 20.0 * s18 * s * c * slope
        ridge_2 = s18 * (slope * slope * (380.0 * c * c - 20.0 * s2) + 20.0 * s * c * bend)
        H[i, i] = math.sin(x[i]) * (ridge - ridge_2) - 2.0 * math.cos(x[i]) * ridge_1


def hartmann(x, H, alpha, A, P):
    H[:] = 0.0
    n = len(x)
    g = np.empty(n)
    for r in range(len(alpha)):
        distance = 0.0
        for k in range(n):
            d = x[k] - P[r, k]
            g[k] = 2.0 * A[r, k] * d
            distance += A[r, k] * d * d
        e = alpha[r] * math.exp(-distance)
        for i in range(n):
            for j in range(n):
                H[i, j] -= e * g[i] * g[j]
            H[i, i] += 2.0 * e * A[r, i]


def gaussian_mixture(p, H, y):
    """Of log sum exp q_k: the mean of q_k'' + q_k' q_k'' by the posterior, less (mean of q_k') (mean of q_k')'."""
    H[:] = 0.0
    precision, weight = np.empty(3), np.ones(3)  # the weights are those of the prior, but for their sum
    for k in range(3):
        precision[k] = math.exp(-p[3 + k])
        if k > 0:
            weight[k] = math.exp(p[5 + k])
    q = np.empty(3)
    mean = np.empty(9)  # q_k' by component: in mean, log-scale, logit
    for r in range(len(y)):
        density = 0.0
        for k in range(3):
            z = (y[r] - p[k]) * precision[k]
            q[k] = weight[k] * precision[k] * math.exp(-0.5 * z * z)
            density += q[k]
        for k in range(3):
            c = q[k] / density
            z = (y[r] - p[k]) * precision[k]
            in_mean, in_scale = z * precision[k], z * z - 1.0
            mean[k], mean[3 + k], mean[6 + k] = c * in_mean, c * in_scale, c
            H[k, k] -= c * (in_mean * in_mean - precision[k] * precision[k])
            H[3 + k, k] -= c * in_mean * (in_scale - 2.0)
            H[3 + k, 3 + k] -= c * (in_scale * in_scale - 2.0 * z * z)
            if k > 0:
                H[5 + k, k] -= c * in_mean
                H[5 + k, 3 + k] -= c * in_scale
                H[5 + k, 5 + k] -= c
        mean[6], mean[7] = mean[7], mean[8]  # the first logit is fixed
        for i in range(8):
            for j in range(i + 1):
                H[i, j] += mean[i] * mean[j]
    total = weight[0] + weight[1] + weight[2]
    for i in range(1, 3):
        prior = weight[i] / total
        H[5 + i, 5 + i] += len(y) * prior
        for j in range(1, i + 1):
            H[5 + i, 5 + j] -= len(y) * prior * weight[j] / total
    for i in range(8):
        for j in range(i):
            H[j, i] = H[i, j]


def cloth(x, H, springs, lengths):
    """A spring's block: (1 - L / r) I + L / r d d' / r²."""
    H[:] = 0.0
    d = np.empty(3)
    for e in range(len(lengths)):
        i, j = 3 * springs[e, 0], 3 * springs[e, 1]
        r2 = 0.0
        for p in range(3):
            d[p] = x[i + p] - x[j + p]
            r2 += d[p] * d[p]
        slack = lengths[e] / math.sqrt(r2)
        for p in range(3):
            for s in range(3):
                h = slack / r2 * d[p] * d[s]
                if p == s:
                    h += 1.0 - slack
                H[i + p, i + s] += h
                H[j + p, j + s] += h
                H[i + p, j + s] = -h
                H[j + p, i + s] = -h


def minimal_surface(u, H, boundary):
    """A triangle's block, in its two slopes p and q: [[h² + q², -pq], [-pq, h² + p²]] / (h² + p² + q²)^(3/2)."""
    H[:] = 0.0
    m = len(boundary) - 2
    h = 1.0 / (m + 1)
    z = boundary.copy()
    node = np.full((m + 2, m + 2), -1)
    for k in range(m * m):
        z[1 + k // m, 1 + k % m] = u[k]
        node[1 + k // m, 1 + k % m] = k
    block = np.empty((3, 3))
    corners = np.empty(3, np.int64)
    for i in range(m + 1):
        for j in range(m + 1):
            for side in range(2):  # the right angle at (i, j), at (i + 1, j + 1)
                p = z[i, j + 1] - z[i + side, j + side]
                q = z[i + 1, j] - z[i + side, j + side]
                corners[0] = node[i + side, j + side]
                corners[1] = node[i, j + 1]
                corners[2] = node[i + 1, j]
                r2 = h * h + p * p + q * q
                scale = 0.5 * h / (r2 * math.sqrt(r2))
                block[1, 1] = scale * (h * h + q * q)
                block[1, 2] = block[2, 1] = -scale * p * q
                block[2, 2] = scale * (h * h + p * p)
                block[0, 1] = block[1, 0] = -block[1, 1] - block[1, 2]
                block[0, 2] = block[2, 0] = -block[2, 2] - block[1, 2]
                block[0, 0] = -block[0, 1] - block[0, 2]
                for a in range(3):
                    for b in range(3):
                        if corners[a] >= 0 and corners[b] >= 0:
                            H[corners[a], corners[b]] += block[a, b]


def potassium(p, H, v, t, g):
    """Second derivatives in (alpha, beta, p_5, p_6), summed over a voltage's times, then the chain rule once."""
    H[:] = 0.0
    a, c, d, b, e, largest, start = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    J = np.zeros((4, 7))  # of (alpha, beta, p_5, p_6) in p
    J[2, 5] = J[3, 6] = 1.0
    S = np.empty((4, 4))
    n_1, r_1 = np.zeros(4), np.empty(4)
    n_2, SJ = np.zeros((4, 4)), np.empty((4, 7))
    for i in range(len(v)):
        u = (c - v[i]) / d
        q = 1.0 / (math.exp(u) - 1.0)
        f = u * q
        f_1 = q - u * (q + q * q)
        f_2 = (q + q * q) * (u + 2.0 * f - 2.0)
        alpha, beta = a * f, b * math.exp(-v[i] / e)
        rate = alpha + beta
        limit = alpha / rate
        limit_a, limit_b = beta / (rate * rate), -alpha / (rate * rate)
        limit_aa, limit_ab, limit_bb = -2.0 * limit_a / rate, (limit_a + limit_b) * -1.0 / rate, -2.0 * limit_b / rate
        S[:] = 0.0
        S_a, S_b = 0.0, 0.0
        for k in range(len(t)):
            decay = math.exp(-rate * t[k])
            rise, lag = 1.0 - decay, (limit - start) * t[k] * decay
            n = limit - (limit - start) * decay
            n_1[0], n_1[1], n_1[3] = limit_a * rise + lag, limit_b * rise + lag, decay
            n_2[0, 0] = limit_aa * rise + 2.0 * limit_a * t[k] * decay - lag * t[k]
            n_2[1, 1] = limit_bb * rise + 2.0 * limit_b * t[k] * decay - lag * t[k]
            n_2[0, 1] = n_2[1, 0] = limit_ab * rise + (limit_a + limit_b) * t[k] * decay - lag * t[k]
            n_2[0, 3] = n_2[3, 0] = n_2[1, 3] = n_2[3, 1] = -t[k] * decay
            n3 = n * n * n
            r = largest * n3 * n - g[i, k]
            for x in range(4):
                r_1[x] = 4.0 * largest * n3 * n_1[x]
            r_1[2] = n3 * n
            for x in range(4):
                for y in range(4):
                    curvature = largest * (12.0 * n * n * n_1[x] * n_1[y] + 4.0 * n3 * n_2[x, y])
                    S[x, y] += 2.0 * (r_1[x] * r_1[y] + r * curvature)
                S[2, x] += 8.0 * r * n3 * n_1[x]
                S[x, 2] += 8.0 * r * n3 * n_1[x]
            S_a += 2.0 * r * r_1[0]
            S_b += 2.0 * r * r_1[1]
        J[0, 0], J[0, 1], J[0, 2] = f, a * f_1 / d, -a * f_1 * u / d
        J[1, 3], J[1, 4] = beta / b, beta * v[i] / (e * e)
        for x in range(4):
            for m in range(7):
                SJ[x, m] = 0.0
                for y in range(4):
                    SJ[x, m] += S[x, y] * J[y, m]
        for k in range(7):
            for m in range(7):
                for x in range(4):
                    H[k, m] += J[x, k] * SJ[x, m]
        H[0, 1] += S_a * f_1 / d
        H[0, 2] -= S_a * f_1 * u / d
        H[1, 1] += S_a * a * f_2 / (d * d)
        H[1, 2] -= S_a * a * (f_2 * u + f_1) / (d * d)
        H[2, 2] += S_a * a * (f_2 * u + 2.0 * f_1) * u / (d * d)
        H[3, 4] += S_b * J[1, 4] / b
        H[4, 4] += S_b * J[1, 4] * (v[i] / e - 2.0) / e
    for i in range(7):
        for j in range(i):
            H[i, j] = H[j, i]


HESSIANS = {
    "Griewank": griewank,
    "Levy": levy,
    "Michalewicz": michalewicz,
    "Hartmann": hartmann,
    "Gaussian mixture": gaussian_mixture,
    "cloth": cloth,
    "minimal surface": minimal_surface,
    "Hodgkin-Huxley": potassium,
}
