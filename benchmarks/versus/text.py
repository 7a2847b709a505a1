"""Text of the page; metrics are inserted at the names in braces."""

TEXT = """# GAN, VAE and diffusion model with one budget

Three models, trained for as many steps of as many samples: on MNIST, and on the ring of eight Gaussians. On the ring
they have about as many parameters; on MNIST the diffusion model has more than the GAN and fewer than the VAE. The six
recipes, `experiment=versus_<model>_<dataset>`, lie in `{conf}`. `make versus` trains and measures all of it, {seeds}
seeds each, and writes this page and its pictures; finished runs are kept below
`outputs/versus`. Mean ± deviation over seeds throughout. Measured on: {machine}; each run has one CPU thread. Seconds
are processor time: beside other work they grow a little, not by the share that the other work takes.

How the metrics are computed: [evaluation.md](evaluation.md). "Real": the value of test samples in the place of
generated ones. A model is "nearest" where its worst seed is better than the best of both others. The models
themselves: [vae.md](vae.md), [diffusion.md](diffusion.md).

## MNIST

![Test digits, and samples of the GAN, the VAE and the diffusion model.]({pictures}/versus_samples.webp)

The first samples of seed 0, none chosen; of the GAN's three seeds it is the worst (see below). The VAE's are the
decoder's means: noise of the Gaussian, which its likelihood has at each pixel, is not added, as is usual.

{budget_mnist}

| | GAN | VAE | diffusion model |
|---|---|---|---|
| recipe | `versus_gan_mnist` | `versus_vae_mnist` | `versus_diffusion_mnist` |
| networks | `architecture=vae_conv`, width 16, z of 40; D with layer norm | the same decoder; an encoder | \
`architecture=unet`, width 8, three resolutions |
| objective | `loss=jsd`: D cannot tell | a Gaussian around the decoded image, sigma 0.7, beta 1 | \
v-prediction, cosine schedule; DDIM |
| a step | one update of D and one of G, on as many generated images as real ones | one update of both | one update |
| Adam | 5e-4, betas (0.5, 0.999) | 1e-3, betas (0.9, 0.999) | 1e-3, betas (0.9, 0.999) |

All see the same 57,000 of the 60,000 training images, in [-1, 1], and are evaluated as the moving average of
half-life 200 steps. The budget is one of images, not of time: the last line of the first table says what training
costs. Each image is seen four or five times: this compares ways to train small networks, and not the best that any of
them can do.

Chosen: the VAE's sigma, by `frechet/classifier` of seed 0. Learned as one number for all pixels, from 0.3 on, it came
to 0.124; the ELBO was then 440 nats in place of -507 at 0.7, the code (KL) 115 nats in place of 33, and the distance
755: such codes fill little of what N(0, I) covers. Fixed at 0.5 the distance was 553, at 0.7 it was 464; larger ones
were not tried. Nothing of the GAN and of the diffusion model was tuned.

{generated} samples of each model and seed:

{figures_mnist}

{order_mnist}

The VAE's bound on log p(x) of {bounded} test digits: {elbo} nats (ELBO), {iwae} with 50 importance samples; a
density over pixels in [-1, 1]. A GAN has none, and of a diffusion model this runner computes none.

### What a digit costs

The diffusion model is trained once and sampled with 10, 30 and 100 steps. Processor time of one sample, in batches of
{cost_batch}: the median of {cost_batches} batches.

{cost_mnist}

### Nearest training digits

![Samples of all three and their nearest training digits.]({pictures}/versus_neighbours.webp)

Each row: a sample, and after a gap the five training digits nearest to it by pixels. Left half: the samples, of 2,000,
that come nearest to a training digit; right half: the first ones.

## The ring

![Points of the ring, and samples of the GAN, the VAE and the diffusion model.]({pictures}/versus_ring8.webp)

The first 2,000 samples of seed 0.

{budget_ring8}

| | GAN | VAE | diffusion model |
|---|---|---|---|
| recipe | `versus_gan_ring8` | `versus_vae_ring8` | `versus_diffusion_ring8` |
| networks | those of `experiment=ring8_best` | `architecture=vae`, two layers of 112 each, z of 2 | \
`architecture=denoiser_mlp`, width 64, two blocks |
| objective | `loss=r3gan`, annealed penalties | a Gaussian of sigma 0.1, beta 1 | \
v-prediction, cosine schedule, ancestral sampling |
| Adam | G 1e-2, D 2e-3, betas (0, 0.99) | 2e-3 | 2e-3 |

The GAN's networks, loss and rates were tuned for the ring ([mixtures.md](mixtures.md)); of the VAE, sigma was chosen
from 0.02, 0.05, 0.1 and 0.2 by the energy distance of seed 0; the diffusion model has the settings of
`experiment=ring8_diffusion`, with a smaller network.

{figures_ring8}

{order_ring8}

`high_quality` asks whether samples lie in a mode, and not whether they fill it: `recall/pixels` does.

{cost_ring8}

The energy distance is an unbiased estimate, and so may be below 0.

## Equal in pixels, not in sense

What a textbook says: a VAE scores each pixel apart, so that one stray pixel costs the same wherever it stands; a GAN's
critic scores the whole image. To test this, {pairs} test digits ({skipped} more could not be changed in every way) are
changed in four ways that are all *equally far* from the digit x in pixels: {distance}, the root of the sum of squares,
which is that of {strays} white pixels on black ground.

- shifted: moved in a random direction by a part of a pixel, by cubic splines;
- thicker: on its way to a digit whose strokes are a pixel wider on each side;
- stray: {strays} white pixels at random places that touch no stroke;
- broken: a piece of a stroke wiped out, where that takes the digit apart, opens a loop, or leaves a hole.

The first two are plausible digits, the last two are not. Moved by parts of a pixel or thickened, a digit is also
smoother than one of the data. So there is one more pair where nothing is interpolated: {whole} digits ({whole_skipped}
could not) moved by exactly one pixel up, down, left or right, beside the digit with as many stray pixels as make up the
same distance (of each digit's own, {whole_distance} in the mean). Three scores:

- log p(x' | z): the VAE's likelihood of the changed image x' at the code (posterior mean) of x, so around the
  reconstruction of x. Around x itself it would be the same for all four, by construction: it would cost
  distance² / (2 sigma²) = {price} nats, sigma being {sigma}. The reconstruction differs from x, and so they differ;
- the ELBO of x', by {draws} draws: here the encoder looks at x' itself;
- D: the discriminator's logit of x'; above 0 it takes it for real.

![Digits and what was made of them, with the scores.]({pictures}/versus_pairs.webp)

Seed 0; the first digits of five classes. All changed images of a row have one distance from x.

{levels}

How often each score prefers the plausible image of a pair, and by how much; the price is the {price} nats above.

{preferences}

Preferred by more than two standard errors in every seed:

{verdicts}

## One pixel, wherever it stands

![What it costs to move one pixel, by its place.]({pictures}/versus_places.webp)

One pixel of x is moved by 1, away from its end of the scale, each in its turn: 784 images equally far from x. What a
score changes by: blue is down, red is up, white is 0, and each map has a scale of its own (its lowest and highest value
are below it). How much it depends on the place, as deviation divided by mean size, over a digit of each
class: {places}.

## What it comes to

Read off the figures above, for these small networks:

- MNIST: of as many images, the diffusion model makes by far the best of it. Its distances are a fifth of the GAN's and
  less (`frechet/classifier`), its recall is nearly that of real digits, its classes come nearly in the data's shares,
  and its digits are as sharp. It also takes seven times the processor time of the GAN in training. A GAN that trains
  for as long was not measured here. Of its digits no more lie within the data, by the classifier's features, than of
  the others' (precision about 0.7; real digits 0.89): some of them are no digits.
- A digit of it costs over a thousand times as much: 96 ms, where one pass through G or the decoder takes 0.06 ms. With
  10 steps in place of 100 the price is a tenth, and distance and recall are still better than those of both others in
  every seed.
- The GAN differs most from seed to seed: seed 0 has a distance of 462, few shapes (recall 0.22) and blurred strokes,
  seeds 1 and 2 have 280 and 277, recall 0.5, and strokes as sharp as real ones. No alarm was raised in seed 0.
- The VAE's digits are blurred (`sharpness` 0.24 of 0.63). By pixels they lie within the data, with a precision above
  that of real digits and a density twice theirs, and cover less of it by recall. No model copies (`copied/pixels`).
- The ring: GAN and diffusion model put over 99% of their samples in the modes, the VAE half. Its decoder is
  continuous and N(0, I) has no gaps, so it paints bridges between the modes. But the GAN's samples fill little of each
  mode (recall 0.04; in the picture its modes are smaller than the data's), and the diffusion model's do (0.94).
- On the ring the diffusion model needs its steps: with 10 it has as few samples in the modes as the VAE, with 30 96%,
  with 100 99.5%. A sample then costs 140 times one of the GAN.
- By the transport distance (`wasserstein/pixels`) the GAN is ahead on the ring, in spite of its recall: transport over
  the width of a mode is short. What the diffusion model's distance consists of was not looked into.
- "One stray pixel costs the same wherever it stands" is true of log p(x' | z), away from the strokes. At them it
  depends on the place, by the error of the reconstruction there. This error alone makes it prefer plausible images:
  the reconstruction is blurred, and what is shifted or thickened differs from x where the reconstruction does too.
- It is not true of the VAE as a whole. The ELBO looks at x' through the encoder, so that a change which the code can
  express is cheap, while stray pixels cost their full price and a little more. It takes nearly all pairs the right
  way round, in four of the five kinds more of them than D does. It also puts most of the shifted and thickened
  digits, which are smoother, above x itself.
- D scores the whole image: the price of a pixel depends most on its place by far. But it scores whether an image
  comes from this G, not whether it is plausible. Stray pixels and broken strokes it mostly ranks below shifted
  digits, yet a thickened digit below a broken one, and level with stray pixels. Its mean logit of thickened digits is
  near that of the GAN's own samples; why, was not looked into. The size of its preferences varies between seeds far
  more than that of the VAE's.

```bash
gan-train -m --config-dir {conf} experiment=versus_gan_mnist,versus_vae_mnist,versus_diffusion_mnist seed=0,1,2 \
device=cpu device.threads=1
gan-train -m --config-dir {conf} experiment=versus_gan_ring8,versus_vae_ring8,versus_diffusion_ring8 seed=0,1,2 \
device=cpu device.threads=1
python -m benchmarks.versus
```
"""
