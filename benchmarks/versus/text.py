"""Text of the page; metrics are inserted at the names in braces."""

TEXT = """# GAN against VAE on MNIST

One decoder, trained twice: as the generator of a GAN (`experiment=versus_gan_mnist`) and as the decoder of a VAE
(`experiment=versus_vae_mnist`), both recipes of `{conf}`. `make versus` reruns all of it, {seeds} seeds
each, and writes this page and its pictures; finished runs are kept below `outputs/versus`. Mean ± deviation over seeds
throughout. Measured on: {machine};
each run has one CPU thread. Seconds of training, on cores shared with other work: {seconds}.

## What is the same, and what is not

| | GAN | VAE |
|---|---|---|
| decoder | `architecture=vae_conv`, width 16, z of 40: {decoder} parameters | the same |
| data | MNIST in grey, 57,000 of the 60,000 training images, in [-1, 1] | the same |
| steps | {steps} of {batch} images | the same |
| moving average | half-life of 200 steps; the average is evaluated | the same |
| beside it | a discriminator, {discriminator} parameters | an encoder, {encoder} parameters |
| a step | one update of D and one of G, on as many generated images as real ones | one update of both |
| what is asked for | `loss=jsd`: D cannot tell | a Gaussian around the decoded image, sigma 0.7, beta 1 |
| Adam | 5e-4, betas (0.5, 0.999) | 1e-3, betas (0.9, 0.999) |

A step of the GAN costs more; both see as many images. D has layer norm, so that its logit of an image does not depend
on others.

Chosen: the VAE's sigma, by `frechet/classifier` of seed 0. Learned as one number for all pixels, from 0.3 on, it came
to 0.124; the ELBO was then 440 nats in place of -507 at 0.7, the code (KL) 115 nats in place of 33, and the distance
755: such codes fill little of what N(0, I) covers. Fixed at 0.5 the distance was 553, at 0.7 it was 464; larger ones
were not tried. Nothing of the GAN was tuned. Both networks are small and see each image four or five times: this
compares two ways to train a decoder, and not the best that either can do.

## Samples

![Samples of the GAN, test digits, samples of the VAE.]({pictures}/versus_samples.webp)

The first samples of seed 0, from the same latents of N(0, I), none chosen; test digits between them. The VAE's are the
decoder's means: noise of the Gaussian, which its likelihood has at each pixel, is not added, as is usual.

{generated} samples of each model and seed, by `gan-eval`'s measures (see [evaluation.md](evaluation.md)). Real: what
test digits score in their place.

{figures}

{order}

The VAE's bound on log p(x) of {bounded} test digits: {elbo} nats (ELBO), {iwae} with 50 importance samples; a
density over pixels in [-1, 1]. A GAN has none.

## Nearest training digits

![Samples of both and their nearest training digits.]({pictures}/versus_neighbours.webp)

Each row: a sample, and behind a gap the five training digits nearest to it by pixels. Left half: the samples, of 2,000,
that come nearest to a training digit; right half: the first ones.

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

- Samples: by `frechet/classifier` the GAN is ahead in every seed, by `frechet/pixels` the VAE is. The GAN's samples
  are as sharp as real digits, and by the classifier's features fewer of them lie within the data than of the VAE's
  (precision). The VAE's are blurred, and their classes come more nearly in the data's shares. By pixels the VAE's
  blurred digits lie within the data (precision above that of real digits, density twice theirs) and cover less of it
  by recall. Neither comes near a real digit's figures. Neither copies (`copied/pixels`).
- "One stray pixel costs the same wherever it stands" is true of log p(x' | z), away from the strokes. At them it
  depends on the place, by the error of the reconstruction there. This error alone makes it prefer plausible images:
  the reconstruction is blurred, and what is shifted or thickened differs from x where the reconstruction does too.
- It is not true of the VAE as a whole. The ELBO looks at x' through the encoder, so that a change which the code can
  express is cheap, while stray pixels cost their full price and a little more. It takes nearly all pairs the right
  way round, in four of the five kinds more of them than D does. It also puts most of the shifted and thickened
  digits, which are smoother, above x itself.
- D scores the whole image: the price of a pixel depends most on its place by far. But it scores whether an image
  comes from this G, not whether it is plausible. Stray pixels and broken strokes it mostly ranks below shifted
  digits, yet a thickened digit below both. Its mean logit of thickened digits is near that of the GAN's own samples;
  why, was not looked into. The size of its preferences varies between seeds far more than that of the VAE's.

```bash
gan-train -m --config-dir {conf} experiment=versus_gan_mnist,versus_vae_mnist seed=0,1,2 device=cpu device.threads=1
python -m benchmarks.versus
```
"""
