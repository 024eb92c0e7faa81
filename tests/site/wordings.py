"""What people type into the search, after titles of issues and threads, and the question that answers it."""

ASKED = {
    "sum-or-mean": (
        "reconstruction loss computed as sum or average; should KLD be mean or sum; vae loss reduction "
        "sum; loss averaging in VAE example; sum vs mean over batch size; should I divide the loss by "
        "pixels; torch.sum vs torch.mean kl"
    ),
    "bce-or-mse": (
        "mse or bce; binary cross entropy vs mse vae; which reconstruction loss for RGB images; BCE for "
        "non binary images; can I use bce with grayscale images; mse loss instead of bce"
    ),
    "why-logvar-and-not-sigma": (
        "why log variance; why does the encoder predict log_var instead of std; exp(0.5 * logvar); why "
        "not output the standard deviation directly; softplus or exp for variance"
    ),
    "why-is-one-sample-of-z-enough": "how many samples of z; number of monte carlo samples L",
    "do-i-need-a-sigmoid": (
        "sigmoid last layer decoder; which activation for the decoder output; relu or sigmoid output "
        "layer; tanh output; binary_cross_entropy_with_logits sigmoid; remove sigmoid decoder"
    ),
    "how-many-latent-dimensions": (
        "latent dim size; how to choose latent space dimension; latent dimension choice; number of latent "
        "variables; z dimension; bottleneck size"
    ),
    "what-does-kld-weight-0-00025-mean": (
        "kld_weight; why kld_weight 0.00025; how to set kl_weight; KLD weight batch_size / num_of_images; "
        "M_N kld_weight meaning; kl term scale relative to reconstruction; kl weight too small; why "
        "multiply kl by 0.00025"
    ),
    "what-is-the-loss-of-a-conditional-vae": (
        "cvae loss; conditional vae prior; loss with class labels; conditional variational autoencoder "
        "loss; CVAE; conditioning on labels"
    ),
    "is-my-loss-right": (
        "possible mistake in loss_function; is my vae loss correct; vae not learning; bug in kl loss "
        "implementation"
    ),
    "why-is-my-kl-negative": (
        "kld negative; negative KL divergence; kl loss is negative; kl divergence can be negative; why kl "
        "divergence negative pytorch; kl loss minus sign"
    ),
    "can-my-loss-be-negative": (
        "vae loss negative; negative reconstruction loss; loss below zero; negative log likelihood "
        "negative; loss goes negative; elbo positive"
    ),
    "what-is-a-good-elbo": (
        "good elbo value mnist; what should the loss value be; what is a good loss; bits per dim"
    ),
    "can-i-compare-the-losses-of-two-models": (
        "compare vae losses between models; compare loss different beta; compare ELBO across papers"
    ),
    "which-number-do-i-report": (
        "test log-likelihood; how to evaluate a vae; iwae bound log p(x); marginal likelihood estimate "
        "importance sampling; evaluation metrics for vae; compute log-likelihood on test set; report nll"
    ),
    "why-is-the-validation-loss-lower-than-the-training-loss": (
        "validation loss lower than training loss; val_loss less than loss; test loss lower than train; "
        "vae overfitting validation"
    ),
    "my-loss-is-nan-after-3-epochs": (
        "vae loss nan; KL divergence loss explodes and the model returns nan; loss inf; clamp logvar; nan "
        "after some epochs; nan loss; exploding kl loss; logvar exp overflow; training diverges nan; "
        "gradient becomes nan; inf kl"
    ),
    "my-kl-goes-to-zero-posterior-collapse": (
        "posterior collapse fix; kl vanishing; KL_loss becomes zero after several hundreds of steps; "
        "decoder ignores z; how to prevent posterior collapse; kl loss too low; KL term collapses to "
        "zero; free bits; latent variables not used; avoid KL collapse lstm vae; kl stays at zero"
    ),
    "why-does-the-kl-go-up-during-training": (
        "kl loss increases; kl divergence increasing during training; kld goes up; KL keeps increasing"
    ),
    "all-my-samples-look-the-same": (
        "vae outputs same image for all inputs; generates same sentences; all reconstructions are "
        "identical; generated images all look the same; mode collapse vae; decoder outputs mean image; "
        "model always outputs the same image"
    ),
    "how-do-i-choose": (
        "choose beta; beta vae value; balance reconstruction and kl loss; tuning beta hyperparameter; "
        "what beta should I use; disentangled beta-vae; best value for beta; beta-vae disentanglement"
    ),
    "should-i-anneal": (
        "kl annealing; beta schedule; warmup kl weight; cyclical annealing; kl warm up; linear warm-up of "
        "beta; annealing"
    ),
    "what-if-i-leave-out-the-kl-term": (
        "train without kl loss; beta = 0; remove kl term; why do we need kl divergence; vae without kl; "
        "is kl term necessary; autoencoder vs vae"
    ),
    "my-reconstructions-are-blurry": (
        "blurry images; why are vae blurry; poor reconstruction quality; blurry reconstructions; how to "
        "get sharper images; blur; reconstructed images are blurred; vae output too smooth"
    ),
    "good-reconstructions-bad-samples-why": (
        "reconstruction good but generation bad; random samples are noise; sampling from prior gives "
        "garbage; generated samples bad reconstructions fine; holes in latent space; cannot generate from "
        "random noise; generated images are bad; samples from N(0,1) look like noise"
    ),
    "or-a-sample-after-training": (
        "use mu at test time; mean or sample inference; which latent vector as embedding; sample or mean "
        "at inference; eval mode reparameterization; feature extraction mu"
    ),
    "why-does-the-vae-of-stable-diffusion-use-1e-6-and-l1": (
        "latent diffusion kl weight; autoencoderkl loss; stable diffusion vae 1e-6; why l1 loss in ldm; "
        "stable diffusion autoencoder loss; kl weight 0.000001; sdxl vae training loss; ldm kl_weight "
        "1e-6"
    ),
}
